//! Passwords: the policy for new ones, and their hashes.

mod bcrypt_hash;
mod current;
pub(crate) mod db;
mod hash;
mod hasher;
mod permits;
mod policy;

pub(crate) use self::{
    current::verify_current,
    hash::Verification,
    hasher::Hasher,
    permits::describe_metrics,
    policy::{PersonalData, check_policy},
};
