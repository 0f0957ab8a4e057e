//! Compression of responses.

use std::convert::Infallible;

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderValue, header};
use tower::{Layer as _, ServiceExt as _};
use tower_http::compression::{
    Compression, CompressionLayer, DefaultPredicate, Predicate as _,
    predicate::{And, SizeAbove},
};

/// Responses of fewer bytes are not compressed: they fit into one packet anyway.
const MIN_SIZE: u64 = 1024;

/// A router that compresses responses on request. Other requests do not pass the layer.
#[derive(Clone)]
pub(crate) struct CompressedRouter {
    router: Router,
    compressed: Compression<Router, And<SizeAbove, DefaultPredicate>>,
    predicate: And<SizeAbove, DefaultPredicate>,
}

impl CompressedRouter {
    pub(crate) fn new(router: Router) -> Self {
        let predicate = SizeAbove::new(MIN_SIZE).and(DefaultPredicate::new());
        let layer = CompressionLayer::new().gzip(true).compress_when(predicate.clone());
        Self { compressed: layer.layer(router.clone()), router, predicate }
    }

    pub(crate) async fn respond(self, request: Request) -> Result<Response, Infallible> {
        if request.headers().contains_key(header::ACCEPT_ENCODING) {
            return Ok(self.compressed.oneshot(request).await?.map(Body::new));
        }
        let mut response = self.router.oneshot(request).await?;
        // A shared cache must not serve it to other clients instead of a compressed one, or the reverse.
        if self.predicate.should_compress(&response)
            && !response.headers().contains_key(header::CONTENT_ENCODING)
        {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        Ok(response)
    }
}
