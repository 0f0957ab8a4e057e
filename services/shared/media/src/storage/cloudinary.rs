//! Images at Cloudinary, which generates the thumbnails.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use reqwest::{
    Client,
    multipart::{Form, Part},
    redirect::Policy,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    settings::{base_url, name, non_empty, require_all},
    signature::sign,
    timeouts::StorageTimeouts,
};
use crate::{
    image_key::ImageKey,
    image_urls::ImageUrls,
    transcode::{EncodedImage, THUMBNAIL_SIDE},
};

const API_URL: &str = "https://api.cloudinary.com";
/// The folder of the account that contains all images.
const FOLDER: &str = "bodega";
/// The part of a delivery URL before the transformation.
const DELIVERY: &str = "/image/upload/";

/// Configuration of the account.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct CloudinaryArgs {
    /// Cloudinary account (cloud name) for images [default: a directory]
    #[arg(long, env = "CLOUD_NAME", value_parser = name)]
    cloud_name: Option<String>,
    /// API key of the Cloudinary account
    #[arg(long, env = "CLOUD_API_KEY", hide_env_values = true)]
    cloud_api_key: Option<SecretString>,
    /// API secret of the Cloudinary account
    #[arg(long, env = "CLOUD_API_SECRET", hide_env_values = true)]
    cloud_api_secret: Option<SecretString>,
    /// Base URL of the Cloudinary API [default: https://api.cloudinary.com]
    #[arg(long, env = "BODEGA_CLOUDINARY_URL", value_parser = base_url)]
    cloudinary_url: Option<String>,
}

impl CloudinaryArgs {
    /// Opens the account, if one is configured.
    ///
    /// # Errors
    /// When the configuration is incomplete; names the missing variables.
    pub(crate) fn open(&self, timeouts: StorageTimeouts) -> anyhow::Result<Option<Cloudinary>> {
        let cloud = non_empty(self.cloud_name.as_deref());
        let key = non_empty(self.cloud_api_key.as_ref().map(|key| key.expose_secret()));
        let secret = non_empty(self.cloud_api_secret.as_ref().map(|secret| secret.expose_secret()));
        let api = non_empty(self.cloudinary_url.as_deref());
        if cloud.or(key).or(secret).or(api).is_none() {
            return Ok(None);
        }
        let [cloud, key, secret] = require_all(
            "at Cloudinary",
            [("CLOUD_NAME", cloud), ("CLOUD_API_KEY", key), ("CLOUD_API_SECRET", secret)],
        )?;
        let client = Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total)
            // A signed form must not be sent to another server.
            .redirect(Policy::none())
            .build()?;
        Ok(Some(Cloudinary {
            client,
            api: format!("{}/v1_1/{cloud}/image", api.unwrap_or(API_URL)),
            key: key.into(),
            secret: secret.into(),
            timeouts,
        }))
    }
}

#[derive(Debug)]
pub(crate) struct Cloudinary {
    client: Client,
    api: String,
    key: SecretString,
    secret: SecretString,
    pub(super) timeouts: StorageTimeouts,
}

#[derive(Deserialize)]
struct UploadResponse {
    secure_url: String,
}

#[derive(Deserialize)]
struct DestroyResponse {
    result: String,
}

#[derive(Deserialize)]
struct ErrorResponse {
    error: ErrorMessage,
}

#[derive(Deserialize)]
struct ErrorMessage {
    message: String,
}

impl Cloudinary {
    pub(super) async fn put(&self, key: &ImageKey, image: &EncodedImage) -> anyhow::Result<ImageUrls> {
        let file = Part::stream_with_length(image.original.clone(), image.original.len() as u64)
            .file_name(format!("{}.{}", key.id, key.format.extension()))
            .mime_str(key.format.content_type())?;
        let form = self.signed(&[("public_id", &public_id(key))]).part("file", file);
        let uploaded: UploadResponse = self.call("upload", form).await?;
        image_urls(&uploaded.secure_url)
    }

    pub(super) async fn delete(&self, key: &ImageKey) -> anyhow::Result<()> {
        // `invalidate` removes copies from the CDN, too.
        let form = self.signed(&[("public_id", &public_id(key)), ("invalidate", "true")]);
        let destroyed: DestroyResponse = self.call("destroy", form).await?;
        match destroyed.result.as_str() {
            "ok" | "not found" => Ok(()),
            result => bail!("unexpected result of destroy: {result:?}"),
        }
    }

    /// Returns a form with a timestamp, the API key and the signature of all parameters.
    fn signed(&self, params: &[(&'static str, &str)]) -> Form {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = now.as_secs().to_string();
        let params = params.iter().copied().chain([("timestamp", timestamp.as_str())]);
        let signature = sign(params.clone(), &self.secret);
        params
            .chain([("api_key", self.key.expose_secret()), ("signature", &signature)])
            .fold(Form::new(), |form, (name, value)| form.text(name, value.to_owned()))
    }

    async fn call<T: DeserializeOwned>(&self, action: &str, form: Form) -> anyhow::Result<T> {
        let response = self.client.post(format!("{}/{action}", self.api)).multipart(form).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if !status.is_success() {
            let message =
                serde_json::from_slice::<ErrorResponse>(&body).map(|response| response.error.message);
            bail!("{action} returned {status}: {}", message.unwrap_or_default());
        }
        serde_json::from_slice(&body).with_context(|| format!("unexpected response to {action}"))
    }
}

/// Returns the key without the extension, which Cloudinary adds.
fn public_id(key: &ImageKey) -> String {
    format!("{FOLDER}/{}/{}", key.folder, key.id)
}

/// Returns the delivery URL, and the same with the transformation of the thumbnail.
fn image_urls(url: &str) -> anyhow::Result<ImageUrls> {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    let Some((before, after)) = url.split_once(DELIVERY).filter(|_| is_web) else {
        bail!("upload returned a URL without {DELIVERY}: {url}");
    };
    // `c_limit` never enlarges an image.
    let thumbnail_url = format!("{before}{DELIVERY}c_limit,h_{THUMBNAIL_SIDE},w_{THUMBNAIL_SIDE}/{after}");
    Ok(ImageUrls { url: url.to_owned(), thumbnail_url })
}
