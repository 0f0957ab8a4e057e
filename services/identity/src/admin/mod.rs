//! Administration of users.

mod create_admin;
mod delete_user;
mod last_admin;
mod remove_second_factor;
mod reset_password;
mod update_user;

pub use self::{
    create_admin::{CreatedAdmin, create_admin, has_admin},
    remove_second_factor::remove_second_factor,
    reset_password::{ONE_TIME_PASSWORD_TTL, reset_password},
};
pub(crate) use self::{delete_user::delete_user, update_user::update_user};
