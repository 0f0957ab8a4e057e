//! Images of products: adding and removing them.

mod add;
mod remove;
mod upload_stream;

pub(crate) use self::{add::add, remove::remove, upload_stream::UploadStream};
