//! Uploaded images: validation, re-encoding, storage and cleanup.
//!
//! An [`Upload`] collects the bytes of a file up to a limit. [`Media::encode`] detects its format by content, decodes it
//! and encodes the pixels again, so that the [`EncodedImage`] contains nothing else of the file: no metadata such as GPS
//! positions, and no appended scripts. An animation becomes its first frame. Each image has a thumbnail.
//!
//! The storage is a directory that the gateway serves, a bucket of an S3-compatible store, or Cloudinary; [`MediaArgs`]
//! configure it. [`ImageRegistry`] records the stored images of a service in its database and deletes unused ones.
//!
//! Memory is limited for any number of concurrent uploads: [`Rejected::Busy`] is returned when a limit is reached.

#![warn(missing_docs)]

mod args;
mod error;
mod image_key;
mod image_urls;
mod limits;
mod media;
mod memory;
mod probe;
mod registry;
mod storage;
mod transcode;
mod upload;

pub use args::MediaArgs;
pub use error::{Rejected, StorageError, StoreError};
pub use image_key::{ImageKey, InvalidImageKey};
pub use image_urls::ImageUrls;
pub use media::Media;
pub use registry::{ImageRegistry, StoredImage};
pub use transcode::{EncodedImage, Format};
pub use upload::Upload;
