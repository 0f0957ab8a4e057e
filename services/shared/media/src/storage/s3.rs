//! Pictures in a bucket of an S3-compatible store.

use std::{fmt, time::Duration};

use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};

use super::{ImageUrls, Patience, objects};
use crate::{
    args::{base_url, given, name, required},
    key::ImageKey,
    picture::EncodedImage,
    secret::Secret,
};

/// A picture never changes under its key.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
const REGION: &str = "us-east-1";

/// Which bucket, and how to reach it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct S3Args {
    /// Bucket for pictures in S3 or what is compatible; none: they stay in a directory
    #[arg(long, env = "BODEGA_S3_BUCKET", value_parser = name)]
    s3_bucket: Option<String>,
    /// URL of the S3 API, such as `http://127.0.0.1:9000`; none: Amazon's
    #[arg(long, env = "BODEGA_S3_ENDPOINT", value_parser = base_url)]
    s3_endpoint: Option<String>,
    /// Region of the bucket; none: us-east-1
    #[arg(long, env = "BODEGA_S3_REGION", value_parser = name)]
    s3_region: Option<String>,
    /// Base of the links to pictures, where everybody may read the bucket; none: the endpoint and the bucket
    #[arg(long, env = "BODEGA_S3_PUBLIC_URL", value_parser = base_url)]
    s3_public_url: Option<String>,
    /// Access key of the bucket
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    aws_access_key_id: Option<Secret>,
    /// Its secret
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    aws_secret_access_key: Option<Secret>,
}

impl S3Args {
    /// The bucket, when one is configured. Keys alone configure none: they are also there for other programs.
    ///
    /// # Errors
    /// When half a configuration is there: says what is missing.
    pub(crate) fn open(&self, patience: Patience) -> anyhow::Result<Option<S3>> {
        let bucket = given(self.s3_bucket.as_deref());
        let endpoint = given(self.s3_endpoint.as_deref());
        let region = given(self.s3_region.as_deref());
        let public_url = given(self.s3_public_url.as_deref());
        if bucket.or(endpoint).or(region).or(public_url).is_none() {
            return Ok(None);
        }
        let key = self.aws_access_key_id.as_ref().map(Secret::expose);
        let secret = self.aws_secret_access_key.as_ref().map(Secret::expose);
        let [bucket, key, secret] = required(
            "in S3",
            [
                ("BODEGA_S3_BUCKET", bucket),
                ("AWS_ACCESS_KEY_ID", given(key)),
                ("AWS_SECRET_ACCESS_KEY", given(secret)),
            ],
        )?;

        let region = region.unwrap_or(REGION);
        let endpoint = endpoint.map_or_else(|| format!("https://s3.{region}.amazonaws.com"), str::to_owned);
        let client = ClientOptions::new()
            .with_connect_timeout(patience.connect)
            .with_timeout(patience.total)
            .with_allow_http(endpoint.starts_with("http://"));
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
            max_retries: 2,
            retry_timeout: patience.total,
        };
        let store = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_endpoint(&endpoint)
            .with_access_key_id(key)
            .with_secret_access_key(secret)
            // Not everything that is compatible deletes in bulk.
            .with_disable_bulk_delete(true)
            .with_client_options(client)
            .with_retry(retry)
            .build()?;
        let public_url = public_url.map_or_else(|| format!("{endpoint}/{bucket}"), str::to_owned);
        Ok(Some(S3 { store, public_url, patience }))
    }
}

/// A bucket.
pub(crate) struct S3 {
    store: AmazonS3,
    public_url: String,
    pub(super) patience: Patience,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl S3 {
    pub(super) async fn put(&self, key: &ImageKey, picture: &EncodedImage) -> anyhow::Result<ImageUrls> {
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, key.format.content_type()),
            (Attribute::CacheControl, CACHE_CONTROL),
        ]);
        objects::put(&self.store, key, picture, attributes).await?;
        Ok(ImageUrls::below(&self.public_url, key))
    }

    pub(super) async fn delete(&self, key: &ImageKey) -> anyhow::Result<()> {
        Ok(objects::delete(&self.store, key).await?)
    }
}
