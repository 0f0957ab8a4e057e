//! Authentication: users by access token, processes by service token.
//!
//! The gateway verifies each access token, and so does every service that receives it ([`Verifier`]). Handlers get the user
//! as a [`Caller`].

mod access_token;
mod service_token;
mod verifier;

use tonic::{Code, Request, Status};
use uuid::Uuid;

pub(crate) use self::verifier::describe_metrics;
pub use self::{
    access_token::{AUDIENCE, Claims, ISSUER, Role},
    service_token::{SERVICE_TOKEN, ServiceToken},
    verifier::Verifier,
};
use crate::status;

/// The user on whose behalf a call is made, from its valid access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Id of the user.
    pub user_id: Uuid,
    /// Id of the session that the token belongs to.
    pub session_id: Uuid,
    /// Role in the token: the one that the user had when it was issued.
    pub role: Role,
}

impl Caller {
    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` `unauthenticated` when the request has no access token.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        Self::maybe_of(request).ok_or_else(|| {
            status::rejected(Code::Unauthenticated, "unauthenticated", "an access token is required")
        })
    }

    /// The caller of a request that guests may make too; `None` for a guest.
    pub fn maybe_of<T>(request: &Request<T>) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// The caller of a request that only admins may make.
    ///
    /// # Errors
    /// As [`Caller::of`], and `PERMISSION_DENIED` `admin_only`.
    pub fn admin_of<T>(request: &Request<T>) -> Result<Self, Status> {
        let caller = Self::of(request)?;
        if caller.is_admin() {
            Ok(caller)
        } else {
            Err(status::rejected(Code::PermissionDenied, "admin_only", "only an admin may do this"))
        }
    }

    /// Returns whether the caller is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}
