use bodega_proto::identity::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{api::users::types::User, json::Timestamp, problem::Problem, response::present};

/// A session with its tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "user": {
        "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada Lovelace", "username": "ada",
        "email": "ada@example.com", "emailVerified": true, "role": "user", "avatarUrl": null, "avatarThumbnailUrl": null,
        "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z"
    },
    "token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
    "tokenType": "Bearer", "expiresIn": 900, "refreshToken": "kR6x0hYbYc8dSgk0QmV0Jw"
}))]
pub(crate) struct Session {
    /// User of the session.
    user: User,
    /// Access token, a JWT, to be sent as `Authorization: Bearer <token>`.
    token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Lifetime of the access token in seconds.
    expires_in: i64,
    /// Refresh token; works once.
    refresh_token: String,
}

impl TryFrom<pb::Session> for Session {
    type Error = Problem;

    fn try_from(session: pb::Session) -> Result<Self, Problem> {
        Ok(Self {
            user: present(session.user)?.into(),
            token: session.access_token,
            token_type: "Bearer",
            expires_in: session.expires_in,
            refresh_token: session.refresh_token,
        })
    }
}

impl Session {
    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

/// An active session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-9a61-7d52-8d0b-0c1f4e9b2a77", "userAgent": "curl/8.5.0", "current": true,
    "createdAt": "2026-11-21T09:30:00.123456Z", "lastUsedAt": "2026-11-21T10:15:00.123456Z"
}))]
pub(crate) struct SessionInfo {
    /// Id of the session, a UUIDv7.
    id: String,
    /// `User-Agent` of the client that started the session.
    user_agent: String,
    /// Whether it is the session of the request.
    current: bool,
    /// When the session was started.
    created_at: Timestamp,
    /// When the tokens of the session were last refreshed.
    last_used_at: Timestamp,
}

impl From<pb::SessionInfo> for SessionInfo {
    fn from(session: pb::SessionInfo) -> Self {
        Self {
            id: session.id,
            user_agent: session.user_agent,
            current: session.current,
            created_at: session.created_at.into(),
            last_used_at: session.last_used_at.into(),
        }
    }
}

/// The active sessions of a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"items": [{
    "id": "0197f0c5-9a61-7d52-8d0b-0c1f4e9b2a77", "userAgent": "curl/8.5.0", "current": true,
    "createdAt": "2026-11-21T09:30:00.123456Z", "lastUsedAt": "2026-11-21T10:15:00.123456Z"
}]}))]
pub(crate) struct SessionList {
    /// Newest first, at most 100.
    pub(crate) items: Vec<SessionInfo>,
}

/// A user to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Ada Lovelace", "email": "ada@example.com", "username": "ada", "password": "correct horse battery"
}))]
pub(crate) struct RegisterInput {
    /// Full name of the user.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    /// Email address, unique, case-insensitive.
    #[schema(max_length = 254)]
    pub(crate) email: String,
    /// Username of letters, digits, `.`, `_` and `-`; unique, case-insensitive.
    #[serde(default)]
    #[schema(min_length = 3, max_length = 30)]
    pub(crate) username: Option<String>,
    /// Password of any characters. Common passwords, the name, the username and the email are rejected.
    #[schema(min_length = 8, max_length = 256)]
    pub(crate) password: String,
}

/// Credentials: the password and exactly one of `email`, `username` and `login`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
pub(crate) struct LoginInput {
    /// Email of the user, case-insensitive.
    #[serde(default)]
    email: Option<String>,
    /// Username of the user, case-insensitive.
    #[serde(default)]
    username: Option<String>,
    /// Email or username of the user.
    #[serde(default)]
    login: Option<String>,
    /// Password of the user.
    password: String,
}

impl LoginInput {
    /// The login and the password.
    ///
    /// # Errors
    /// 422 `invalid_field` unless exactly one of the three fields is given.
    pub(crate) fn credentials(self) -> Result<(String, String), Problem> {
        let given = [("email", self.email), ("username", self.username), ("login", self.login)];
        let mut given: Vec<_> =
            given.into_iter().filter_map(|(field, value)| value.map(|value| (field, value))).collect();
        match (given.pop(), given.is_empty()) {
            (Some((_, login)), true) => Ok((login, self.password)),
            (None, _) => Err(Problem::invalid("email", "is required, unless username or login is given")),
            (Some((last, _)), false) => Err(given.iter().fold(
                Problem::invalid(last, "must be the only one of email, username and login"),
                |problem, (field, _)| problem.about(field, "must not be given as well"),
            )),
        }
    }
}

/// A refresh token to exchange.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"refreshToken": "kR6x0hYbYc8dSgk0QmV0Jw"}))]
pub(crate) struct RefreshInput {
    /// The newest refresh token of the session. `refresh_token` is accepted too.
    #[serde(alias = "refresh_token")]
    pub(crate) refresh_token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(json: &str) -> Result<(String, String), serde_json::Value> {
        let input: LoginInput = serde_json::from_str(json).unwrap();
        input.credentials().map_err(|problem| serde_json::to_value(problem).unwrap())
    }

    #[test]
    fn accepts_each_of_the_three_fields() {
        for field in ["email", "username", "login"] {
            let json = format!(r#"{{"{field}": "ada", "password": "secret"}}"#);
            assert_eq!(login(&json).unwrap(), ("ada".to_owned(), "secret".to_owned()));
        }
    }

    #[test]
    fn rejects_none_and_several_of_the_three_fields() {
        let problem = login(r#"{"password": "secret"}"#).unwrap_err();
        assert_eq!((&problem["status"], &problem["errors"][0]["field"]), (&422.into(), &"email".into()));
        let problem = login(r#"{"email": "a", "login": "b", "password": "secret"}"#).unwrap_err();
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["errors"][0]["field"], "login");
        assert_eq!(problem["errors"][1]["field"], "email");
    }
}
