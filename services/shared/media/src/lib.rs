//! Pictures: looked at, made harmless, and kept somewhere.
//!
//! What a client uploads is bytes that claim to be a picture. They are collected up to a bound ([`Upload`]), told by
//! their content, decoded, and encoded anew ([`EncodedImage`]): what is kept has been written here, pixel by pixel, and
//! nothing else of the file is left: no position where a photograph was taken, no script behind it. An animation
//! becomes its first picture. A thumbnail goes with it.
//!
//! A storage keeps them under a [`ImageKey`]: a directory that the gateway shows, a bucket of an S3-compatible store, or
//! Cloudinary. [`MediaArgs`] say which.
//!
//! What nobody shows any more is deleted ([`sweep`]): each service keeps a row for each of its objects.
//!
//! How much memory pictures take is bounded, however many come at once: uploads by their number and size, pictures by
//! the room that is reserved for them before they are decoded. What finds no room soon is [`Rejected::Busy`].

mod args;
mod error;
mod key;
mod media;
mod outline;
mod picture;
mod secret;
mod storage;
pub mod sweep;
mod upload;
mod worker;

pub use args::MediaArgs;
pub use error::{Rejected, StorageError};
pub use key::{ImageKey, InvalidImageKey};
pub use media::Media;
pub use picture::{EncodedImage, Format};
pub use storage::ImageUrls;
pub use upload::Upload;
