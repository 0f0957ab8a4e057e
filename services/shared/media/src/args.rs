//! Configuration of images.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::{
    media::Media,
    storage::{CloudinaryArgs, Local, S3Args, Storage, StorageTimeouts},
};

/// 10 MiB.
const MAX_BYTES: usize = 10 << 20;
const MAX_SIDE: u32 = 8192;

/// Storage and limits of images.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MediaArgs {
    #[command(flatten)]
    limits: ImageLimits,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    cloudinary: CloudinaryArgs,
}

/// Limits of uploaded images.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ImageLimits {
    /// Maximum size of an uploaded image in bytes
    #[arg(long, env = "BODEGA_IMAGE_MAX_BYTES", default_value_t = MAX_BYTES, value_parser = max_bytes)]
    pub(crate) image_max_bytes: usize,
    /// Maximum width and height of an uploaded image in pixels; decoding takes up to 12 bytes of memory per pixel
    #[arg(long, env = "BODEGA_IMAGE_MAX_SIDE", default_value_t = MAX_SIDE, value_parser = max_side)]
    pub(crate) image_max_side: u32,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self { image_max_bytes: MAX_BYTES, image_max_side: MAX_SIDE }
    }
}

impl MediaArgs {
    /// Opens the configured storage. Without one, opens `directory` and creates it when it does not exist. Makes no
    /// network calls: whether a remote storage works shows with the first image.
    ///
    /// # Errors
    /// When the configuration of a storage is incomplete, when two are configured, or when the directory cannot be
    /// created.
    pub fn open(&self, directory: &Path) -> anyhow::Result<Media> {
        let timeouts = StorageTimeouts::default();
        let storage = match (self.s3.open(timeouts)?, self.cloudinary.open(timeouts)?) {
            (Some(_), Some(_)) => {
                bail!("images have one storage: set BODEGA_S3_BUCKET or CLOUD_NAME, and not both")
            }
            (Some(s3), None) => Storage::S3(s3),
            (None, Some(cloudinary)) => Storage::Cloudinary(cloudinary),
            (None, None) => {
                let local = Local::new(directory);
                local
                    .open()
                    .with_context(|| format!("cannot use the image directory {}", directory.display()))?;
                Storage::Local(local)
            }
        };
        Ok(Media::new(self.limits.clone(), storage))
    }
}

/// Treats an empty setting as absent.
pub(crate) fn non_empty(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

/// Returns settings that are required together.
///
/// # Errors
/// When some are missing; names all of those.
pub(crate) fn require_all<'a, const N: usize>(
    storage: &str,
    settings: [(&str, Option<&'a str>); N],
) -> anyhow::Result<[&'a str; N]> {
    let missing: Vec<_> =
        settings.iter().filter(|(_, value)| value.is_none()).map(|&(name, _)| name).collect();
    if !missing.is_empty() {
        bail!("to store images {storage}, also set {}", missing.join(" and "));
    }
    Ok(settings.map(|(_, value)| value.unwrap_or_default()))
}

/// Parses a base URL and removes its trailing slashes.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    let is_base = |url: &reqwest::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match reqwest::Url::parse(text) {
        _ if text.is_empty() => Ok(String::new()),
        Ok(url) if is_base(&url) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("use a URL such as https://images.example.com".to_owned()),
    }
}

/// Parses a name that becomes a part of URLs.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match text {
        "." | ".." => Err("use a name".to_owned()),
        _ if text.bytes().all(is_plain) => Ok(text.to_owned()),
        _ => Err("use letters, digits, '-', '_' and '.'".to_owned()),
    }
}

fn max_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text.is_empty() => Ok(MAX_BYTES),
        Ok(bytes @ 1..=104_857_600) => Ok(bytes),
        _ => Err("use a number of bytes from 1 to 104857600 (100 MiB)".to_owned()),
    }
}

fn max_side(text: &str) -> Result<u32, String> {
    match text.parse() {
        _ if text.is_empty() => Ok(MAX_SIDE),
        Ok(pixels @ 1..=16_384) => Ok(pixels),
        _ => Err("use a number of pixels from 1 to 16384".to_owned()),
    }
}
