//! Changes of the caller's own profile and password.

mod change_password;
mod update_profile;

pub(crate) use self::{
    change_password::{change_password, check_new_password},
    update_profile::update_profile,
};
