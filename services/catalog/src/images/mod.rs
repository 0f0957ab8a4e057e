//! Images of products.

pub(crate) mod add;
pub(crate) mod upload_stream;
