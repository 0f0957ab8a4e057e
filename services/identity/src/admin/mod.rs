//! Administration of users.

mod create_admin;
mod delete_user;
mod last_admin;
mod update_user;

pub use self::create_admin::{CreatedAdmin, create_admin, has_admin};
pub(crate) use self::{delete_user::delete_user, update_user::update_user};
