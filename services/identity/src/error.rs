//! What identity refuses, and as which status.

use std::{fmt::Display, time::Duration};

use bodega_media::{Rejected, StorageError, StoreError};
use bodega_runtime::status::{self, Violations};
use tonic::{Code, Status};
use tracing::error;

/// When somebody who was sent away for lack of capacity may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] Violations),
    #[error("this email belongs to an account already")]
    EmailTaken,
    #[error("this username belongs to an account already")]
    UsernameTaken,
    #[error("no account has this login and this password")]
    InvalidCredentials,
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    #[error("the session has ended")]
    SessionEnded,
    #[error("no such session")]
    SessionNotFound,
    #[error("only admins may do this")]
    AdminOnly,
    #[error("no such user")]
    UserNotFound,
    #[error("the shop needs an admin: this is the last one")]
    LastAdmin,
    #[error("too many passwords are being checked at the moment")]
    TooBusy,
    #[error(transparent)]
    Picture(#[from] Rejected),
    #[error("the upload {0}")]
    UploadIncomplete(&'static str),
    #[error("the picture took too long to be kept")]
    PictureSwept,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{0:#}")]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// A refusal of one field.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        let mut violations = Violations::new();
        violations.add(field, message);
        Self::Invalid(violations)
    }

    /// The refusal that a violated constraint stands for.
    pub(crate) fn of_account(cause: sqlx::Error) -> Self {
        match status::violated_constraint(&cause) {
            Some("one_user_per_email") => Self::EmailTaken,
            Some("one_user_per_username") => Self::UsernameTaken,
            _ => Self::Database(cause),
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
        let named = |reason, field: &str| {
            let message = "is taken".to_owned();
            rejected_fields(AlreadyExists, reason, &error, [(field.to_owned(), message)])
        };
        match error {
            Error::EmailTaken => named("email_taken", "email"),
            Error::UsernameTaken => named("username_taken", "username"),
            Error::Invalid(violations) => violations.into(),
            Error::InvalidCredentials => rejected(Unauthenticated, "invalid_credentials", &error),
            Error::InvalidRefreshToken => rejected(Unauthenticated, "invalid_refresh_token", &error),
            Error::SessionEnded => rejected(Unauthenticated, "session_ended", &error),
            Error::SessionNotFound => rejected(NotFound, "session_not_found", &error),
            Error::AdminOnly => rejected(PermissionDenied, "admin_only", &error),
            Error::UserNotFound => rejected(NotFound, "user_not_found", &error),
            Error::LastAdmin => rejected(FailedPrecondition, "last_admin", &error),
            Error::TooBusy => {
                // Not all are to come back at the same time.
                let pause = Duration::from_secs(rand::random_range(1..=3));
                status::retryable(Code::ResourceExhausted, "too_busy", &error, pause)
            }
            Error::Picture(refused) => of_picture(&refused),
            Error::UploadIncomplete(how) => of_image("upload_incomplete", how),
            Error::PictureSwept => status::unavailable(&error, RETRY_AFTER),
            Error::Storage(cause) => {
                error!("{cause}");
                status::unavailable("pictures cannot be kept at the moment", RETRY_AFTER)
            }
            Error::Database(cause) => status::database(&cause),
            Error::Internal(cause) => status::internal(format_args!("{cause:#}")),
        }
    }
}

fn of_picture(refused: &Rejected) -> Status {
    match refused {
        Rejected::TooLarge { .. } => of_image("image_too_large", refused),
        Rejected::Unsupported => of_image("unsupported_image", refused),
        Rejected::Invalid(_) => of_image("invalid_image", refused),
        Rejected::Busy => status::unavailable(refused, RETRY_AFTER),
    }
}

/// The refusal of what was sent as a picture.
fn of_image(reason: &str, message: impl Display) -> Status {
    status::rejected_field(Code::InvalidArgument, reason, "image", message.to_string())
}
