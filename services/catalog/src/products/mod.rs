//! Products: reading, creating, updating and archiving them.

mod archive;
mod create;
pub(crate) mod db;
mod image_url;
pub(crate) mod product;
mod read;
mod update;

pub use self::product::{NewProduct, NewVariant};
pub(crate) use self::{
    archive::archive,
    create::create,
    product::Product,
    read::{batch_get, get},
    update::update,
};
