//! Who calls: people by access token, processes by service token.
//!
//! An access token is verified where it arrives, at the gateway and again in every service it is forwarded to
//! ([`Verifier`]). Handlers ask for the [`Caller`].

mod access_token;
mod service_token;
mod verifier;

use tonic::{Code, Request, Status};
use uuid::Uuid;

pub use self::{
    access_token::{AUDIENCE, Claims, ISSUER, Role},
    service_token::{SERVICE_TOKEN, ServiceToken},
    verifier::Verifier,
};
use crate::status;

/// Somebody with a valid access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose token it is.
    pub user_id: Uuid,
    /// The session it belongs to.
    pub session_id: Uuid,
    /// What its bearer may do.
    pub role: Role,
}

impl Caller {
    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` `unauthenticated` when there is none.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        Self::maybe_of(request)
            .ok_or_else(|| status::rejected(Code::Unauthenticated, "unauthenticated", "sign in first"))
    }

    /// The caller of a request that guests may make too.
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
            Err(status::rejected(Code::PermissionDenied, "admin_only", "only admins may do this"))
        }
    }

    /// Whether it runs the shop.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}
