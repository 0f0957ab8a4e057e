//! Pictures at Cloudinary, which makes the thumbnails.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use reqwest::{
    Client,
    multipart::{Form, Part},
    redirect::Policy,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{ImageUrls, Patience, signature::sign};
use crate::{
    args::{base_url, given, name, required},
    key::ImageKey,
    picture::{EncodedImage, THUMBNAIL_SIDE},
    secret::Secret,
};

/// Where its API is.
const API: &str = "https://api.cloudinary.com";
/// The folder of an account that is ours.
const FOLDER: &str = "bodega";
/// What precedes the transformation in a link.
const DELIVERY: &str = "/image/upload/";

/// Which account, and how to reach it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct CloudinaryArgs {
    /// Cloudinary account for pictures; none: they stay in a directory
    #[arg(long, env = "CLOUD_NAME", value_parser = name)]
    cloud_name: Option<String>,
    /// API key of the account
    #[arg(long, env = "CLOUD_API_KEY", hide_env_values = true)]
    cloud_api_key: Option<Secret>,
    /// Its secret
    #[arg(long, env = "CLOUD_API_SECRET", hide_env_values = true)]
    cloud_api_secret: Option<Secret>,
    /// Base URL of the API; none: Cloudinary's own
    #[arg(long, env = "BODEGA_CLOUDINARY_URL", value_parser = base_url)]
    cloudinary_url: Option<String>,
}

impl CloudinaryArgs {
    /// The account, when one is configured.
    ///
    /// # Errors
    /// When half a configuration is there: says what is missing.
    pub(crate) fn open(&self, patience: Patience) -> anyhow::Result<Option<Cloudinary>> {
        let cloud = given(self.cloud_name.as_deref());
        let key = given(self.cloud_api_key.as_ref().map(Secret::expose));
        let secret = given(self.cloud_api_secret.as_ref().map(Secret::expose));
        let api = given(self.cloudinary_url.as_deref());
        if cloud.or(key).or(secret).or(api).is_none() {
            return Ok(None);
        }
        let [cloud, key, secret] = required(
            "at Cloudinary",
            [("CLOUD_NAME", cloud), ("CLOUD_API_KEY", key), ("CLOUD_API_SECRET", secret)],
        )?;
        let client = Client::builder()
            .connect_timeout(patience.connect)
            .timeout(patience.total)
            // What is signed is for nobody else.
            .redirect(Policy::none())
            .build()?;
        Ok(Some(Cloudinary {
            client,
            api: format!("{}/v1_1/{cloud}/image", api.unwrap_or(API)),
            key: key.into(),
            secret: secret.into(),
            patience,
        }))
    }
}

/// An account.
#[derive(Debug)]
pub(crate) struct Cloudinary {
    client: Client,
    api: String,
    key: Secret,
    secret: Secret,
    pub(super) patience: Patience,
}

/// The answer to an upload, of it what counts here.
#[derive(Deserialize)]
struct Uploaded {
    secure_url: String,
}

/// The answer to a deletion.
#[derive(Deserialize)]
struct Destroyed {
    result: String,
}

/// The answer to what is refused.
#[derive(Deserialize)]
struct Failed {
    error: Failure,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

impl Cloudinary {
    pub(super) async fn put(&self, key: &ImageKey, picture: &EncodedImage) -> anyhow::Result<ImageUrls> {
        let file = Part::stream_with_length(picture.original.clone(), picture.original.len() as u64)
            .file_name(format!("{}.{}", key.id, key.format.extension()))
            .mime_str(key.format.content_type())?;
        let form = self.signed(&[("public_id", &public_id(key))]).part("file", file);
        let uploaded: Uploaded = self.call("upload", form).await?;
        links(&uploaded.secure_url)
    }

    pub(super) async fn delete(&self, key: &ImageKey) -> anyhow::Result<()> {
        // Copies that are on their way to readers go, too.
        let form = self.signed(&[("public_id", &public_id(key)), ("invalidate", "true")]);
        let destroyed: Destroyed = self.call("destroy", form).await?;
        match destroyed.result.as_str() {
            "ok" | "not found" => Ok(()),
            result => bail!("it answers {result:?} to a deletion"),
        }
    }

    /// A form that says what is wanted, by whom and when.
    fn signed(&self, wanted: &[(&'static str, &str)]) -> Form {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = now.as_secs().to_string();
        let params = wanted.iter().copied().chain([("timestamp", timestamp.as_str())]);
        let signature = sign(params.clone(), &self.secret);
        params
            .chain([("api_key", self.key.expose()), ("signature", &signature)])
            .fold(Form::new(), |form, (name, value)| form.text(name, value.to_owned()))
    }

    async fn call<T: DeserializeOwned>(&self, action: &str, form: Form) -> anyhow::Result<T> {
        let response = self.client.post(format!("{}/{action}", self.api)).multipart(form).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if !status.is_success() {
            let message = serde_json::from_slice::<Failed>(&body).map(|failed| failed.error.message);
            bail!("it answers {status} to {action}: {}", message.unwrap_or_default());
        }
        serde_json::from_slice(&body).with_context(|| format!("it answers {action} with something else"))
    }
}

/// What it calls a picture: our key without the extension, which it adds itself.
fn public_id(key: &ImageKey) -> String {
    format!("{FOLDER}/{}/{}", key.folder, key.id)
}

/// The link it gave, and the one with the thumbnail's transformation in it.
fn links(url: &str) -> anyhow::Result<ImageUrls> {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    let Some((before, after)) = url.split_once(DELIVERY).filter(|_| is_web) else {
        bail!("it gives something else than a link with {DELIVERY}: {url}");
    };
    // `c_limit`: smaller, and never larger.
    let thumbnail_url = format!("{before}{DELIVERY}c_limit,h_{THUMBNAIL_SIDE},w_{THUMBNAIL_SIDE}/{after}");
    Ok(ImageUrls { url: url.to_owned(), thumbnail_url })
}
