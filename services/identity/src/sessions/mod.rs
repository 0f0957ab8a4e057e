//! Sessions: registration, login, refresh, and the revocation of ended sessions.

mod current_user;
pub(crate) mod db;
mod login;
mod login_attempt;
mod refresh;
pub(crate) mod refresh_token;
mod register;
mod revocations;
mod start_session;

pub(crate) use self::{
    current_user::{current_admin, current_admin_or_key, current_user},
    login::login,
    refresh::refresh,
    register::register,
    revocations::Revocations,
    start_session::{IssuedSession, record_second_factor, shortened, start_session, verify_session},
};
