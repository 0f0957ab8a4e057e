//! Pictures from the bytes of a client to every storage, the honest ones and the others.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cloudinary;
mod config;
mod cut_off;
mod formats;
mod hostile;
mod local;
mod memory;
mod metadata;
mod pictures;
mod s3;
mod thumbnails;
