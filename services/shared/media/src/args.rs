//! What an operator says about pictures.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::{
    media::Media,
    storage::{CloudinaryArgs, Local, Patience, S3Args, Storage},
};

/// In bytes: 10 MiB.
const MAX_BYTES: usize = 10 << 20;
/// In pixels.
const MAX_SIDE: u32 = 8192;

/// Where pictures are kept, and what they may be.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MediaArgs {
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    cloudinary: CloudinaryArgs,
}

/// What pictures may be.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Bounds {
    /// Bytes that an uploaded picture may have
    #[arg(long, env = "BODEGA_IMAGE_MAX_BYTES", default_value_t = MAX_BYTES, value_parser = max_bytes)]
    pub(crate) image_max_bytes: usize,
    /// Pixels that an uploaded picture may be wide and high; one takes up to 12 bytes of memory a pixel
    #[arg(long, env = "BODEGA_IMAGE_MAX_SIDE", default_value_t = MAX_SIDE, value_parser = max_side)]
    pub(crate) image_max_side: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { image_max_bytes: MAX_BYTES, image_max_side: MAX_SIDE }
    }
}

impl MediaArgs {
    /// Opens what is configured; where nothing is, the directory, which is made when it is not there. Asks no storage
    /// over the network: whether it takes pictures shows with the first.
    ///
    /// # Errors
    /// When half a configuration is there, or two: says what is missing or too much. When there can be no such
    /// directory.
    pub fn open(&self, directory: &Path) -> anyhow::Result<Media> {
        let storage = match (self.s3.open(Patience::default())?, self.cloudinary.open(Patience::default())?) {
            (Some(_), Some(_)) => bail!(
                "pictures can be kept in one place only: set BODEGA_S3_BUCKET or CLOUD_NAME, and not both"
            ),
            (Some(s3), None) => Storage::S3(s3),
            (None, Some(cloudinary)) => Storage::Cloudinary(cloudinary),
            (None, None) => {
                let local = Local::new(directory);
                local.open().with_context(|| {
                    format!("the directory for pictures, {}, cannot be used", directory.display())
                })?;
                Storage::Local(local)
            }
        };
        Ok(Media::new(self.bounds.clone(), storage))
    }
}

/// What was given: an empty variable counts as none.
pub(crate) fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

/// All of the settings that are of no use without each other.
///
/// # Errors
/// When one is missing: names each that is.
pub(crate) fn required<'a, const N: usize>(
    purpose: &str,
    settings: [(&str, Option<&'a str>); N],
) -> anyhow::Result<[&'a str; N]> {
    let missing: Vec<_> =
        settings.iter().filter(|(_, value)| value.is_none()).map(|&(name, _)| name).collect();
    if !missing.is_empty() {
        bail!("to keep pictures {purpose}, set {} as well", missing.join(" and "));
    }
    Ok(settings.map(|(_, value)| value.unwrap_or_default()))
}

/// Reads the base of URLs; without the slashes at its end.
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
        _ => Err("use a URL such as https://pictures.example.com".to_owned()),
    }
}

/// Reads a name that becomes a part of URLs.
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
