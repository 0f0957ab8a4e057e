//! Built-in pages for the links of mails, for stores without pages of their own. The token is in the fragment of the URL,
//! which the browser sends to no server; the page calls the API with it.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};

/// Allows the script and calls of this origin only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// The pages under `/account`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let page = || get(async || file("text/html; charset=utf-8", include_str!("page.html")));
    Router::new()
        .route("/account/forgot-password", page())
        .route("/account/reset-password", page())
        .route("/account/verify-email", page())
        .route("/account/undo-email-change", page())
        .route("/account/page.js", get(async || file("text/javascript", include_str!("page.js"))))
        .route("/account/page.css", get(async || file("text/css", include_str!("page.css"))))
}

fn file(content_type: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}
