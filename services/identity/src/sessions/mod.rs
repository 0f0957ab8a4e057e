//! Sessions: register, log in, refresh, and the revocation of ended ones.

mod current;
pub(crate) mod db;
mod issue;
mod login;
mod refresh;
mod refresh_token;
mod register;
mod revocations;

pub(crate) use self::{
    current::{current_admin, current_user},
    issue::IssuedSession,
    login::login,
    refresh::refresh,
    register::register,
    revocations::Revocations,
};
