//! Errors of the identity service, and their gRPC statuses.

use std::{fmt::Display, time::Duration};

use bodega_media::{Rejected, StorageError, StoreError};
use bodega_runtime::status::{self, Violations};
use tonic::{Code, Status};
use tracing::error;

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
    #[error("session has ended")]
    SessionEnded,
    #[error("session not found")]
    SessionNotFound,
    #[error("admin role required")]
    AdminOnly,
    #[error("user not found")]
    UserNotFound,
    #[error("the last admin cannot be removed")]
    LastAdmin,
    #[error("too many passwords are being hashed")]
    TooBusy,
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

    /// Maps the unique constraints of `identity.users` to rejections.
    pub(crate) fn from_user_write(error: sqlx::Error) -> Self {
        match status::violated_constraint(&error) {
            Some("one_user_per_email") => Self::EmailTaken,
            Some("one_user_per_username") => Self::UsernameTaken,
            _ => Self::Database(error),
        }
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
        use status::{rejected, rejected_fields};
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
            Error::SessionEnded => rejected(Unauthenticated, "session_ended", &error),
            Error::SessionNotFound => rejected(NotFound, "session_not_found", &error),
            Error::AdminOnly => rejected(PermissionDenied, "admin_only", &error),
            Error::UserNotFound => rejected(NotFound, "user_not_found", &error),
            Error::LastAdmin => rejected(FailedPrecondition, "last_admin", &error),
            Error::TooBusy => {
                // Random, so that rejected clients do not retry at the same time.
                let retry_after = Duration::from_secs(rand::random_range(1..=3));
                status::retryable(Code::ResourceExhausted, "too_busy", &error, retry_after)
            }
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
        Rejected::Busy => status::retryable(Code::Unavailable, "overloaded", rejected, RETRY_AFTER),
    }
}

fn invalid_image(reason: &str, message: impl Display) -> Status {
    status::rejected_field(Code::InvalidArgument, reason, "image", message.to_string())
}
