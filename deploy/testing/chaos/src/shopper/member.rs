//! Somebody with an account: signed in, again and again.

use serde_json::{Value, json};

use super::client::{Answer, Client, Request};

/// How often a request is begun anew because its token was refused. A token that has just been given is good.
const MAX_RENEWALS: usize = 2;

/// Somebody with an account, who stays signed in.
pub(super) struct Member {
    pub(super) client: Client,
    name: String,
    email: String,
    password: String,
    has_account: bool,
    refresh_token: Option<String>,
}

impl Member {
    /// Somebody who has yet to make an account.
    pub(super) fn new(client: Client, name: String, email: String, password: String) -> Self {
        Self { client, name, email, password, has_account: false, refresh_token: None }
    }

    /// Somebody whose account was made before.
    pub(super) fn known(client: Client, email: String, password: String) -> Self {
        Self { has_account: true, ..Self::new(client, String::new(), email, password) }
    }

    /// Whether there is an access token, good or not.
    pub(super) fn is_signed_in(&self) -> bool {
        self.client.token.is_some()
    }

    /// Asks for a definite answer as often as its temper says; signs in again when its token is refused.
    pub(super) async fn ask(&mut self, request: &Request) -> Option<Answer> {
        self.ask_up_to(request, self.client.temper().tries()).await
    }

    /// Asks once; signs in again when its token is refused.
    pub(super) async fn ask_once(&mut self, request: &Request) -> Option<Answer> {
        self.ask_up_to(request, 1).await
    }

    async fn ask_up_to(&mut self, request: &Request, tries: u32) -> Option<Answer> {
        let mut renewals = 0;
        loop {
            let answer = self.client.insist(request, tries).await?;
            if answer.status != 401 || renewals == MAX_RENEWALS || !self.renew().await {
                return Some(answer);
            }
            renewals += 1;
        }
    }

    /// Gets another access token. Whether it has one; if not, it keeps the old one: without any it would be somebody else, a
    /// guest with a cart of their own.
    pub(super) async fn renew(&mut self) -> bool {
        let before = self.client.token.take();
        let renewed = self.refresh().await;
        if !renewed {
            self.client.token = before;
        }
        renewed
    }

    /// Gets an access token by refreshing, or else by signing in. Whether it has one.
    ///
    /// A refresh whose answer was lost is repeated with the same token, however much later: it is good until what came
    /// of it has been used.
    async fn refresh(&mut self) -> bool {
        let Some(refresh_token) = &self.refresh_token else { return self.sign_in().await };
        let request = Request::post("/api/auth/refresh", json!({"refreshToken": refresh_token}));
        let tries = self.client.temper().tries();
        match self.client.insist(&request, tries).await {
            Some(answer) if answer.is_success() => self.begin(&answer.json),
            Some(_) => self.sign_in().await,
            None => false,
        }
    }

    /// Signs in by password, and makes the account first if there is none yet. Whether it has an access token.
    pub(super) async fn sign_in(&mut self) -> bool {
        self.client.token = None;
        self.refresh_token = None;
        let tries = self.client.temper().tries();
        if !self.has_account {
            let Self { name, email, password, .. } = &*self;
            let account = json!({"name": name, "email": email, "password": password});
            let request = Request::post("/api/auth/register", account);
            match self.client.insist(&request, tries).await {
                Some(answer) if answer.is_success() => {
                    self.has_account = true;
                    return self.begin(&answer.json);
                }
                // An answer before this one was lost: the account is its own.
                Some(answer) if answer.status == 409 => self.has_account = true,
                _ => return false,
            }
        }
        let login = json!({"email": self.email, "password": self.password});
        match self.client.insist(&Request::post("/api/auth/login", login), tries).await {
            Some(answer) if answer.is_success() => self.begin(&answer.json),
            _ => false,
        }
    }

    /// Takes over what a session says; whether it says all that it must.
    fn begin(&mut self, session: &Value) -> bool {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let told = (text(&session["user"]["id"]), text(&session["token"]), text(&session["refreshToken"]));
        let (Some(user), Some(token), Some(refresh_token)) = told else { return false };
        self.client.user = user;
        self.client.token = Some(token);
        self.refresh_token = Some(refresh_token);
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{journal::Journal, shopper::client};

    fn member() -> Member {
        let client = Client::new(0, 1, client::http().unwrap(), "http://127.0.0.1:1", Journal::begin());
        Member::known(client, "ada@shop.example".to_owned(), "a mug of tea at four".to_owned())
    }

    #[test]
    fn a_session_says_who_it_is_and_how_it_goes_on() {
        let mut ada = member();
        let session = json!({"user": {"id": "7"}, "token": "a.b.c", "refreshToken": "r"});
        assert!(!ada.is_signed_in() && ada.begin(&session) && ada.is_signed_in());
        assert_eq!((ada.client.user.as_str(), ada.refresh_token.as_deref()), ("7", Some("r")));
    }

    #[tokio::test]
    async fn whoever_gets_no_other_token_stays_who_they_were() {
        let mut ada = member();
        ada.begin(&json!({"user": {"id": "7"}, "token": "a.b.c", "refreshToken": "r"}));
        let closing_time = CancellationToken::new();
        closing_time.cancel();
        ada.client.stop_at(closing_time);
        assert!(!ada.renew().await && ada.is_signed_in(), "it was too late to refresh it");
    }

    #[test]
    fn a_session_that_lacks_anything_is_none() {
        for field in ["user", "token", "refreshToken"] {
            let mut session = json!({"user": {"id": "7"}, "token": "a.b.c", "refreshToken": "r"});
            session[field] = Value::Null;
            let mut ada = member();
            assert!(!ada.begin(&session) && !ada.is_signed_in(), "{field}");
        }
    }
}
