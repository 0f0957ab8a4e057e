//! Images in a bucket of an S3-compatible store.

use std::{fmt, time::Duration};

use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    objects,
    settings::{base_url, name, non_empty, require_all},
    timeouts::StorageTimeouts,
};
use crate::{image_key::ImageKey, image_urls::ImageUrls, transcode::EncodedImage};

/// The image under a key never changes.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
const REGION: &str = "us-east-1";

/// Configuration of the bucket.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct S3Args {
    /// Bucket for images in S3 or a compatible store [default: a directory]
    #[arg(long, env = "BODEGA_S3_BUCKET", value_parser = name)]
    s3_bucket: Option<String>,
    /// URL of the S3 API, such as `http://127.0.0.1:9000` [default: that of AWS]
    #[arg(long, env = "BODEGA_S3_ENDPOINT", value_parser = base_url)]
    s3_endpoint: Option<String>,
    /// Region of the bucket [default: us-east-1]
    #[arg(long, env = "BODEGA_S3_REGION", value_parser = name)]
    s3_region: Option<String>,
    /// Base URL of public image URLs [default: the endpoint and the bucket]
    #[arg(long, env = "BODEGA_S3_PUBLIC_URL", value_parser = base_url)]
    s3_public_url: Option<String>,
    /// Access key id for the bucket
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    aws_access_key_id: Option<SecretString>,
    /// Secret access key for the bucket
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    aws_secret_access_key: Option<SecretString>,
}

impl S3Args {
    /// Opens the bucket, if one is configured. Access keys alone configure none: other programs use the same variables.
    ///
    /// # Errors
    /// When the configuration is incomplete; names the missing variables.
    pub(crate) fn open(&self, timeouts: StorageTimeouts) -> anyhow::Result<Option<S3>> {
        let bucket = non_empty(self.s3_bucket.as_deref());
        let endpoint = non_empty(self.s3_endpoint.as_deref());
        let region = non_empty(self.s3_region.as_deref());
        let public_url = non_empty(self.s3_public_url.as_deref());
        if bucket.or(endpoint).or(region).or(public_url).is_none() {
            return Ok(None);
        }
        let key = self.aws_access_key_id.as_ref().map(|secret| secret.expose_secret());
        let secret = self.aws_secret_access_key.as_ref().map(|secret| secret.expose_secret());
        let [bucket, key, secret] = require_all(
            "in S3",
            [
                ("BODEGA_S3_BUCKET", bucket),
                ("AWS_ACCESS_KEY_ID", non_empty(key)),
                ("AWS_SECRET_ACCESS_KEY", non_empty(secret)),
            ],
        )?;

        let region = region.unwrap_or(REGION);
        let endpoint = endpoint.map_or_else(|| format!("https://s3.{region}.amazonaws.com"), str::to_owned);
        let client = ClientOptions::new()
            .with_connect_timeout(timeouts.connect)
            .with_timeout(timeouts.total)
            .with_allow_http(endpoint.starts_with("http://"));
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
            max_retries: 2,
            retry_timeout: timeouts.total,
        };
        let store = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_endpoint(&endpoint)
            .with_access_key_id(key)
            .with_secret_access_key(secret)
            // Some compatible stores have no bulk delete.
            .with_disable_bulk_delete(true)
            .with_client_options(client)
            .with_retry(retry)
            .build()?;
        let public_url = public_url.map_or_else(|| format!("{endpoint}/{bucket}"), str::to_owned);
        Ok(Some(S3 { store, public_url, timeouts }))
    }
}

pub(crate) struct S3 {
    store: AmazonS3,
    public_url: String,
    pub(super) timeouts: StorageTimeouts,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl S3 {
    pub(super) async fn put(&self, key: &ImageKey, image: &EncodedImage) -> anyhow::Result<ImageUrls> {
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, key.format.content_type()),
            (Attribute::CacheControl, CACHE_CONTROL),
        ]);
        objects::put(&self.store, key, image, attributes).await?;
        Ok(ImageUrls::below(&self.public_url, key))
    }

    pub(super) async fn delete(&self, key: &ImageKey) -> anyhow::Result<()> {
        Ok(objects::delete(&self.store, key).await?)
    }
}
