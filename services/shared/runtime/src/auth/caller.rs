//! The caller of a request, and what the caller may do.

use std::time::Duration;

use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::{Claims, Role, Scope};
use crate::status;

/// Time after which an admin with a second factor has to enter a code again before a change of users or a refund.
const SECOND_FACTOR_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The user or API key on whose behalf a call is made, from its valid access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Id of the user, or of the API key.
    pub user_id: Uuid,
    /// Id of the session that the token belongs to, or of the API key.
    pub session_id: Uuid,
    /// Role in the token: the one that the user had when it was issued.
    pub role: Role,
    /// Scopes of an API key; empty for users.
    scopes: Vec<Scope>,
    second_factor_at: Option<i64>,
    second_factor_missing: bool,
}

impl From<Claims> for Caller {
    fn from(claims: Claims) -> Self {
        Self {
            user_id: claims.sub,
            session_id: claims.sid,
            role: claims.role,
            // A scope of a later version is unknown here, and allows nothing.
            scopes: claims.scope.split(' ').filter_map(|scope| scope.parse().ok()).collect(),
            second_factor_at: claims.second_factor_at,
            second_factor_missing: claims.second_factor_missing,
        }
    }
}

impl Caller {
    /// A user without a second factor.
    pub fn new(user_id: Uuid, session_id: Uuid, role: Role) -> Self {
        let (scopes, second_factor_at) = (Vec::new(), None);
        Self { user_id, session_id, role, scopes, second_factor_at, second_factor_missing: false }
    }

    /// Returns the caller of a request that only users may make.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` `unauthenticated` when the request has no access token, `PERMISSION_DENIED` `insufficient_scope`
    /// for an API key.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        Self::required(request)?.check_is_user()
    }

    /// Returns the caller of a request that users and guests may make; `None` for a guest.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` `insufficient_scope` for an API key.
    pub fn user_or_guest<T>(request: &Request<T>) -> Result<Option<Self>, Status> {
        Self::maybe_of(request).map(Self::check_is_user).transpose()
    }

    /// Returns the caller of a request that anyone may make; `None` for a guest.
    pub fn maybe_of<T>(request: &Request<T>) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Returns the caller of a request that only admins may make.
    ///
    /// # Errors
    /// As [`Caller::of`], and `PERMISSION_DENIED` `admin_only`, or `second_factor_required` for an admin who has to enroll one.
    pub fn admin_of<T>(request: &Request<T>) -> Result<Self, Status> {
        Self::of(request)?.check_is_admin()
    }

    /// Returns the caller of a request that admins may make, and API keys with `scope`.
    ///
    /// # Errors
    /// As [`Caller::admin_of`]; `PERMISSION_DENIED` `insufficient_scope` for an API key without the scope.
    pub fn admin_or_key<T>(request: &Request<T>, scope: Scope) -> Result<Self, Status> {
        let caller = Self::required(request)?;
        if caller.role == Role::ApiKey { caller.check_scope(scope) } else { caller.check_is_admin() }
    }

    /// Returns the caller of a request that users may make, and API keys with `scope`.
    ///
    /// # Errors
    /// As [`Caller::of`]; `PERMISSION_DENIED` `insufficient_scope` for an API key without the scope.
    pub fn user_or_key<T>(request: &Request<T>, scope: Scope) -> Result<Self, Status> {
        let caller = Self::required(request)?;
        if caller.role == Role::ApiKey { caller.check_scope(scope) } else { Ok(caller) }
    }

    /// Returns whether the caller is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Returns whether the caller is an API key.
    pub fn is_api_key(&self) -> bool {
        self.role == Role::ApiKey
    }

    /// Checks that the caller is an admin.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` `admin_only`, or `second_factor_required` for an admin who has to enroll one.
    pub fn check_is_admin(self) -> Result<Self, Status> {
        if self.is_admin() {
            Ok(self)
        } else if self.second_factor_missing {
            Err(second_factor_required("admins need a second factor: enroll one first"))
        } else {
            Err(status::rejected(Code::PermissionDenied, "admin_only", "only an admin may do this"))
        }
    }

    /// Checks that the caller is a user.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` `insufficient_scope` for an API key.
    pub fn check_is_user(self) -> Result<Self, Status> {
        if self.role == Role::ApiKey { Err(insufficient_scope("API keys may not do this")) } else { Ok(self) }
    }

    /// Checks that an API key has a scope. Users pass.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` `insufficient_scope`.
    pub fn check_scope(self, scope: Scope) -> Result<Self, Status> {
        if self.role == Role::ApiKey && !self.scopes.contains(&scope) {
            Err(insufficient_scope(&format!("the API key needs the scope {scope}")))
        } else {
            Ok(self)
        }
    }

    /// Checks that an admin with a second factor has entered a code of it within 15 minutes. Other callers pass.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` `second_factor_required`.
    pub fn check_recent_second_factor(&self) -> Result<(), Status> {
        let oldest = now() - i64::try_from(SECOND_FACTOR_LIFETIME.as_secs()).unwrap_or(i64::MAX);
        if self.is_admin() && self.second_factor_at.is_some_and(|at| at < oldest) {
            return Err(second_factor_required("enter a code of the second factor again"));
        }
        Ok(())
    }

    fn required<T>(request: &Request<T>) -> Result<Self, Status> {
        Self::maybe_of(request).ok_or_else(|| {
            status::rejected(Code::Unauthenticated, "unauthenticated", "an access token is required")
        })
    }
}

fn second_factor_required(message: &str) -> Status {
    status::rejected(Code::PermissionDenied, "second_factor_required", message)
}

fn insufficient_scope(message: &str) -> Status {
    status::rejected(Code::PermissionDenied, "insufficient_scope", message)
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(caller: Option<Caller>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        request
    }

    fn caller(role: Role) -> Caller {
        Caller::new(Uuid::now_v7(), Uuid::now_v7(), role)
    }

    fn reason<T>(result: Result<T, Status>) -> String {
        result.map_or_else(|status| status::reason(&status), |_| "ok".to_owned())
    }

    /// The results of the checks: for users, for users and guests, for admins, with a scope, for users or with a scope.
    fn results(caller: Option<Caller>) -> [String; 5] {
        let request = request(caller);
        [
            reason(Caller::of(&request)),
            reason(Caller::user_or_guest(&request)),
            reason(Caller::admin_of(&request)),
            reason(Caller::admin_or_key(&request, Scope::OrdersRead)),
            reason(Caller::user_or_key(&request, Scope::OrdersRead)),
        ]
    }

    #[test]
    fn checks_role_and_scope() {
        let none = "unauthenticated";
        assert_eq!(results(None), [none, "ok", none, none, none]);
        assert_eq!(results(Some(caller(Role::User))), ["ok", "ok", "admin_only", "admin_only", "ok"]);
        assert_eq!(results(Some(caller(Role::Admin))), ["ok"; 5]);
        let key = |scopes: &[Scope]| Some(Caller { scopes: scopes.into(), ..caller(Role::ApiKey) });
        let no = "insufficient_scope";
        assert_eq!(results(key(&[])), [no; 5]);
        assert_eq!(results(key(&[Scope::OrdersWrite])), [no; 5]);
        assert_eq!(results(key(&[Scope::OrdersWrite, Scope::OrdersRead])), [no, no, no, "ok", "ok"]);
        let without_factor = Caller { second_factor_missing: true, ..caller(Role::User) };
        let required = "second_factor_required";
        assert_eq!(results(Some(without_factor)), ["ok", "ok", required, required, "ok"]);
    }

    #[test]
    fn asks_admins_for_the_second_factor_again_after_15_minutes() {
        let check = |role, age: Option<i64>| {
            let second_factor_at = age.map(|age| now() - age);
            reason(Caller { second_factor_at, ..caller(role) }.check_recent_second_factor())
        };
        assert_eq!(check(Role::Admin, None), "ok", "without a second factor");
        assert_eq!(check(Role::Admin, Some(14 * 60)), "ok");
        assert_eq!(check(Role::Admin, Some(15 * 60 + 5)), "second_factor_required");
        assert_eq!(check(Role::User, Some(15 * 60 + 5)), "ok");
    }
}
