//! A user's session, renewed when its token is rejected.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::api::{self, ApiClient, Request, Response};
use crate::{cluster::Admin, journal::Journal};

/// The maximum number of renewals for one request. More are useless, since a new token is valid.
const MAX_RENEWALS: usize = 2;

pub(crate) struct Session {
    pub(super) api: ApiClient,
    name: String,
    email: String,
    password: String,
    is_registered: bool,
    refresh_token: Option<String>,
}

impl Session {
    /// Creates a session of a user who has not registered.
    pub(super) fn new(api: ApiClient, name: String, email: String, password: String) -> Self {
        Self { api, name, email, password, is_registered: false, refresh_token: None }
    }

    /// Creates a session of a registered user.
    fn of_registered(api: ApiClient, email: String, password: String) -> Self {
        Self { is_registered: true, ..Self::new(api, String::new(), email, password) }
    }

    /// Signs the admin in. Its requests are in no run's journal.
    pub(crate) async fn of_admin(url: &str, admin: &Admin) -> anyhow::Result<Self> {
        Self::of_admin_in(Journal::start(), url, admin).await
    }

    /// Signs the admin in, with requests in this journal.
    pub(super) async fn of_admin_in(journal: Journal, url: &str, admin: &Admin) -> anyhow::Result<Self> {
        let api = ApiClient::new(0, 0, api::connection_pool()?, url, journal);
        let mut session = Self::of_registered(api, admin.email.clone(), admin.password.clone());
        ensure!(session.sign_in().await, "the admin cannot sign in");
        Ok(session)
    }

    pub(super) fn is_signed_in(&self) -> bool {
        self.api.token.is_some()
    }

    /// Sends a request with the retries of the client's profile, and renews a rejected token.
    pub(super) async fn send(&mut self, request: &Request) -> Option<Response> {
        self.send_up_to(request, self.api.retry_profile.attempts()).await
    }

    /// Sends a request once, except to renew a rejected token.
    pub(super) async fn send_once(&mut self, request: &Request) -> Option<Response> {
        self.send_up_to(request, 1).await
    }

    async fn send_up_to(&mut self, request: &Request, attempts: u32) -> Option<Response> {
        let mut renewals = 0;
        loop {
            let response = self.api.send(request, attempts).await?;
            if response.status != 401 || renewals == MAX_RENEWALS || !self.renew().await {
                return Some(response);
            }
            renewals += 1;
        }
    }

    /// Returns all items of a list.
    ///
    /// # Errors
    /// The store does not respond, or not with a list.
    pub(crate) async fn list(&mut self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new(); // needs no percent-encoding
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let request = Request::get(format!("{path}{separator}limit=100&cursor={cursor}"));
            let mut page = self.send(&request).await.with_context(|| format!("no response to GET {path}"))?;
            ensure!(page.status == 200, "GET {path}: {} {}", page.status, page.json);
            let rows = page.json["items"].as_array_mut().with_context(|| format!("{path} is not a list"))?;
            items.append(rows);
            match page.json["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(items),
            }
        }
    }

    /// Gets another access token and returns whether that has succeeded. If not, the old token stays: requests without one
    /// would belong to a guest with another cart.
    pub(super) async fn renew(&mut self) -> bool {
        let old = self.api.token.take();
        let is_renewed = self.refresh().await;
        if !is_renewed {
            self.api.token = old;
        }
        is_renewed
    }

    /// Refreshes the session, or signs in if that is rejected.
    ///
    /// A refresh without a response is retried with the same refresh token, which stays valid until its successor is used.
    async fn refresh(&mut self) -> bool {
        let Some(refresh_token) = &self.refresh_token else { return self.sign_in().await };
        let request = Request::post("/api/auth/refresh", json!({"refreshToken": refresh_token}));
        match self.api.send(&request, self.api.retry_profile.attempts()).await {
            Some(response) if response.is_success() => self.start(&response.json),
            Some(_) => self.sign_in().await,
            None => false,
        }
    }

    /// Signs in with the password, after registration if necessary, and returns whether that has succeeded.
    pub(super) async fn sign_in(&mut self) -> bool {
        self.api.token = None;
        self.refresh_token = None;
        let attempts = self.api.retry_profile.attempts();
        if !self.is_registered {
            let Self { name, email, password, .. } = &*self;
            let user = json!({"name": name, "email": email, "password": password});
            match self.api.send(&Request::post("/api/auth/register", user), attempts).await {
                Some(response) if response.is_success() => {
                    self.is_registered = true;
                    return self.start(&response.json);
                }
                // An earlier request without a response has registered the user.
                Some(response) if response.status == 409 => self.is_registered = true,
                _ => return false,
            }
        }
        let login = json!({"email": self.email, "password": self.password});
        match self.api.send(&Request::post("/api/auth/login", login), attempts).await {
            Some(response) if response.is_success() => self.start(&response.json),
            _ => false,
        }
    }

    /// Uses a new session's tokens. Returns `false` if the response lacks a field.
    fn start(&mut self, session: &Value) -> bool {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let fields = (text(&session["user"]["id"]), text(&session["token"]), text(&session["refreshToken"]));
        let (Some(user), Some(token), Some(refresh_token)) = fields else { return false };
        self.api.user = user;
        self.api.token = Some(token);
        self.refresh_token = Some(refresh_token);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let http = api::connection_pool().unwrap();
        let api = ApiClient::new(0, 1, http, "http://127.0.0.1:1", Journal::start());
        Session::of_registered(api, "ada@shop.example".to_owned(), "a mug of tea at four".to_owned())
    }

    #[test]
    fn uses_the_user_and_the_tokens_of_a_response() {
        let mut ada = session();
        let response = json!({"user": {"id": "7"}, "token": "a.b.c", "refreshToken": "r"});
        assert!(!ada.is_signed_in() && ada.start(&response) && ada.is_signed_in());
        assert_eq!((ada.api.user.as_str(), ada.refresh_token.as_deref()), ("7", Some("r")));
    }

    #[tokio::test]
    async fn keeps_the_old_token_if_the_renewal_fails() {
        let mut ada = session();
        ada.start(&json!({"user": {"id": "7"}, "token": "a.b.c", "refreshToken": "r"}));
        ada.api.stop.cancel();
        assert!(!ada.renew().await && ada.is_signed_in(), "no request is sent after the stop");
    }

    #[test]
    fn rejects_a_response_without_a_field() {
        for field in ["user", "token", "refreshToken"] {
            let mut response = json!({"user": {"id": "7"}, "token": "a.b.c", "refreshToken": "r"});
            response[field] = Value::Null;
            let mut ada = session();
            assert!(!ada.start(&response) && !ada.is_signed_in(), "{field}");
        }
    }
}
