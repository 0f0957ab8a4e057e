//! The dev mailbox: without an SMTP server, mails are kept in memory and shown on the admin listener.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    middleware::{Next, from_fn},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST},
    uri::Authority,
};
use lettre::Message;
use minijinja::{Environment, Value, value::Serde};
use serde::Serialize;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

/// Mails that are kept.
const CAPACITY: usize = 200;

const LIST: &str = "<!doctype html><meta charset=utf-8><title>Mail</title><h1>Mail</h1>
<p>No SMTP server is configured: these mails were not sent.</p>
<table>{% for mail in mails %}<tr><td>{{ mail.at }}<td>{{ mail.to }}<td><a href=\"/mail/{{ mail.id }}\">{{ mail.subject }}</a>{% endfor %}</table>";

/// The latest mails. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct DevMailbox(Arc<Mutex<VecDeque<Kept>>>);

#[derive(Clone, Debug, Serialize)]
struct Kept {
    id: Uuid,
    at: String,
    to: String,
    subject: String,
    /// The whole message as it would have been sent.
    source: String,
}

impl DevMailbox {
    pub(crate) fn keep(&self, id: Uuid, message: &Message) {
        let header = |name: &str| message.headers().get_raw(name).unwrap_or_default().to_owned();
        let kept = Kept {
            id,
            at: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
            to: header("To"),
            subject: header("Subject"),
            source: String::from_utf8_lossy(&message.formatted()).into_owned(),
        };
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.retain(|mail| mail.id != id);
        mails.truncate(CAPACITY - 1);
        mails.push_front(kept);
    }

    fn mails(&self) -> Vec<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Returns the pages `/mail`, the latest first, `/mail.json` and `/mail/{id}`, the source of a mail.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/mail", get(list))
            .route("/mail.json", get(async |State(mailbox): State<Self>| Json(mailbox.mails())))
            .route("/mail/{id}", get(show))
            .layer(from_fn(require_address))
            .with_state(self.clone())
    }
}

async fn list(State(mailbox): State<DevMailbox>) -> Response {
    match Environment::new().render_named_str(
        "mail.html",
        LIST,
        Value::from(Serde(json!({"mails": mailbox.mails()}))),
    ) {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn show(State(mailbox): State<DevMailbox>, Path(id): Path<Uuid>) -> Response {
    let mail = mailbox.mails().into_iter().find(|mail| mail.id == id);
    match mail {
        Some(mail) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], mail.source).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Rejects requests for a host name: a page of another site may have pointed its own name to this address, to read the mails
/// from the browser of a developer.
async fn require_address(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let is_local = host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse::<IpAddr>().is_ok()
    });
    if !is_local {
        return (StatusCode::FORBIDDEN, "use an IP address or localhost\n").into_response();
    }
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    (headers, next.run(request).await).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    async fn status(mailbox: &DevMailbox, path: &str, host: &str) -> StatusCode {
        let request = Request::get(path).header(HOST, host).body(Body::empty()).unwrap();
        mailbox.router().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn rejects_the_names_of_other_sites() {
        let mailbox = DevMailbox::default();
        for host in ["127.0.0.1:9464", "localhost:9464", "[::1]:9464"] {
            assert_eq!(status(&mailbox, "/mail", host).await, StatusCode::OK, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:9464", ""] {
            for path in ["/mail", "/mail.json"] {
                assert_eq!(status(&mailbox, path, host).await, StatusCode::FORBIDDEN, "{host}");
            }
        }
    }

    #[test]
    fn keeps_the_latest_mails() {
        let mailbox = DevMailbox::default();
        let message = Message::builder().from("a@b.co".parse().unwrap()).to("c@d.co".parse().unwrap());
        let message = message.subject("Hello").body(String::new()).unwrap();
        let ids: Vec<_> = (0..CAPACITY + 5).map(|_| Uuid::now_v7()).collect();
        for id in &ids {
            mailbox.keep(*id, &message);
        }
        let kept: Vec<_> = mailbox.mails().iter().rev().map(|mail| mail.id).collect();
        assert_eq!(kept, ids[5..]);
    }
}
