//! Upload, encoding and storage of images.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod cloudinary;
mod config;
mod formats;
mod hostile;
mod images;
mod local;
mod memory;
mod metadata;
mod s3;
mod thumbnails;
mod truncated;
