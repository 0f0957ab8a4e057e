//! Errors of the identity service, and their gRPC statuses.

use std::{fmt::Display, time::Duration};

use bodega_media::{Rejected, StorageError, StoreError};
use bodega_runtime::{
    rate_limit::{self, RateLimited},
    status::{self, Violations},
};
use tonic::{Code, Status};
use tracing::error;

use crate::second_factor::CHALLENGE_LIFETIME;

/// Retry delay of uploads that fail because the storage is down or the upload limit is reached.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] Violations),
    #[error("email is already in use")]
    EmailTaken,
    #[error("username is already in use")]
    UsernameTaken,
    #[error("invalid credentials")]
    InvalidCredentials,
    #[error("invalid refresh token")]
    InvalidRefreshToken,
    #[error("the token is invalid, was used, or has expired")]
    InvalidToken,
    #[error("session has ended")]
    SessionEnded,
    #[error("session not found")]
    SessionNotFound,
    #[error("admin role required")]
    AdminOnly,
    /// The password was correct. The token starts the second step.
    #[error("a code of the second factor is required")]
    SecondFactorRequired { token: String },
    #[error("invalid or expired token of the second step")]
    InvalidSecondFactorToken,
    #[error("code is wrong or was used before")]
    InvalidCode,
    #[error("a second factor is enabled already")]
    SecondFactorEnabled,
    #[error("no second factor is enrolled")]
    SecondFactorNotEnabled,
    #[error("API key not found")]
    ApiKeyNotFound,
    #[error("the API key is unknown, expired or revoked")]
    InvalidApiKey,
    #[error("there are too many API keys: revoke one that is not used")]
    TooManyApiKeys,
    #[error("user not found")]
    UserNotFound,
    #[error("the last admin cannot be removed")]
    LastAdmin,
    #[error("too many passwords are being hashed")]
    TooBusy,
    #[error(transparent)]
    RateLimit(#[from] rate_limit::Error),
    #[error(transparent)]
    Image(#[from] Rejected),
    #[error("image {0}")]
    UploadIncomplete(&'static str),
    #[error("image upload took too long")]
    ImageExpired,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{0:#}")]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// Returns a rejection with one invalid field.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        let mut violations = Violations::new();
        violations.add(field, message);
        Self::Invalid(violations)
    }

    /// Returns whether a rate limit is exhausted.
    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(self, Self::RateLimit(rate_limit::Error::RateLimited(_)))
    }

    /// Maps the unique constraints of `identity.users` to rejections.
    pub(crate) fn from_user_write(error: sqlx::Error) -> Self {
        match status::violated_constraint(&error) {
            Some("one_user_per_email") => Self::EmailTaken,
            Some("one_user_per_username") => Self::UsernameTaken,
            _ => Self::Database(error),
        }
    }
}

impl From<RateLimited> for Error {
    fn from(limited: RateLimited) -> Self {
        Self::RateLimit(limited.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => Self::Database(error),
            StoreError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use Code::{AlreadyExists, FailedPrecondition, NotFound, PermissionDenied, Unauthenticated};
        use status::{rejected, rejected_field, rejected_fields};
        let taken = |reason, field: &str| {
            let message = "is already in use".to_owned();
            rejected_fields(AlreadyExists, reason, &error, [(field.to_owned(), message)])
        };
        match error {
            Error::EmailTaken => taken("email_taken", "email"),
            Error::UsernameTaken => taken("username_taken", "username"),
            Error::Invalid(violations) => violations.into(),
            Error::InvalidCredentials => rejected(Unauthenticated, "invalid_credentials", &error),
            Error::InvalidRefreshToken => rejected(Unauthenticated, "invalid_refresh_token", &error),
            Error::InvalidToken => rejected_field(
                Code::OutOfRange,
                "invalid_token",
                "token",
                "is invalid, was used, or has expired".to_owned(),
            ),
            Error::SessionEnded => rejected(Unauthenticated, "session_ended", &error),
            Error::SessionNotFound => rejected(NotFound, "session_not_found", &error),
            Error::AdminOnly => rejected(PermissionDenied, "admin_only", &error),
            Error::SecondFactorRequired { ref token } => {
                let seconds = CHALLENGE_LIFETIME.as_secs().to_string();
                let metadata = [("token".to_owned(), token.clone()), ("expires_in".to_owned(), seconds)];
                status::rejected_with(Unauthenticated, "second_factor_required", &error, metadata)
            }
            Error::InvalidSecondFactorToken => {
                rejected(Unauthenticated, "invalid_second_factor_token", &error)
            }
            Error::InvalidCode => {
                let message = "is wrong or was used before".to_owned();
                status::rejected_field(Code::InvalidArgument, "invalid_code", "code", message)
            }
            Error::SecondFactorEnabled => rejected(FailedPrecondition, "second_factor_enabled", &error),
            Error::SecondFactorNotEnabled => {
                rejected(FailedPrecondition, "second_factor_not_enabled", &error)
            }
            Error::ApiKeyNotFound => rejected(NotFound, "api_key_not_found", &error),
            Error::InvalidApiKey => rejected(Unauthenticated, "invalid_token", &error),
            Error::TooManyApiKeys => rejected(FailedPrecondition, "too_many_api_keys", &error),
            Error::UserNotFound => rejected(NotFound, "user_not_found", &error),
            Error::LastAdmin => rejected(FailedPrecondition, "last_admin", &error),
            Error::TooBusy => {
                // Random, so that rejected clients do not retry at the same time.
                let retry_after = Duration::from_secs(rand::random_range(1..=3));
                status::retryable(Code::ResourceExhausted, "too_busy", &error, retry_after)
            }
            Error::RateLimit(error) => error.into(),
            Error::Image(rejected) => rejected_image(&rejected),
            Error::UploadIncomplete(message) => invalid_image("upload_incomplete", message),
            Error::ImageExpired => status::retryable(Code::Unavailable, "timeout", &error, RETRY_AFTER),
            Error::Storage(error) => {
                error!("upload rejected as unavailable: {error}");
                status::retryable(
                    Code::Unavailable,
                    "storage_unavailable",
                    "image storage is unavailable",
                    RETRY_AFTER,
                )
            }
            Error::Database(error) => status::database(&error),
            Error::Internal(error) => status::internal(format_args!("{error:#}")),
        }
    }
}

fn rejected_image(rejected: &Rejected) -> Status {
    match rejected {
        Rejected::TooLarge { .. } => invalid_image("image_too_large", rejected),
        Rejected::Unsupported => invalid_image("unsupported_image", rejected),
        Rejected::Invalid(_) => invalid_image("invalid_image", rejected),
        Rejected::Busy => status::retryable(Code::Unavailable, "image_worker_busy", rejected, RETRY_AFTER),
    }
}

fn invalid_image(reason: &str, message: impl Display) -> Status {
    status::rejected_field(Code::InvalidArgument, reason, "image", message.to_string())
}
