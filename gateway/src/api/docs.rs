//! `/openapi.json`, and Swagger UI at `/docs/`. The files of Swagger UI are part of the binary.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, serve};

use crate::{etag::EntityTag, extract::IfNoneMatch, problem::Problem};

/// The file names have no version: browsers must check for a newer binary after an hour.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// Allows scripts, calls, inline styles and images of this origin only.
const SWAGGER_UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/openapi.json` and everything under `/docs`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(document: &OpenApi) -> Router<S> {
    let document = document.to_json().unwrap_or_default();
    Router::new()
        .route("/openapi.json", get(openapi))
        .with_state(Bytes::from(document))
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(index))
        .route("/docs/{*file}", get(file))
        .with_state(Arc::new(ui_config()))
}

async fn openapi(State(document): State<Bytes>, if_none_match: IfNoneMatch) -> Response {
    if_none_match
        .respond(EntityTag::of_bytes(&document, &[]), ([(CONTENT_TYPE, "application/json")], document))
}

fn ui_config() -> Config<'static> {
    Config::from("/openapi.json")
        .use_base_layout()
        // The browser would store the token until it is deleted by hand.
        .persist_authorization(false)
        .try_it_out_enabled(true)
        .display_request_duration(true)
        .filter(true)
        // The default validator is a server of a third party.
        .validator_url("none")
}

async fn index(config: State<Arc<Config<'static>>>) -> Result<Response, Problem> {
    file(config, Path("index.html".to_owned())).await
}

async fn file(
    State(config): State<Arc<Config<'static>>>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let file = serve(&path, config).map_err(|error| {
        tracing::error!("cannot serve a file of Swagger UI: {error}");
        Problem::internal()
    })?;
    let file = file.ok_or_else(Problem::no_such_route)?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::try_from(file.content_type).map_err(|_| Problem::internal())?),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(SWAGGER_UI_POLICY)),
        (CACHE_CONTROL, CACHING),
    ];
    Ok((headers, file.bytes.into_owned()).into_response())
}
