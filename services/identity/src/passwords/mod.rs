//! Passwords: the policy for new ones, and their hashes.

pub(crate) mod db;
mod hasher;
mod permits;
mod policy;

pub(crate) use self::{
    hasher::{Hasher, Verification},
    policy::{PersonalData, check_policy},
};
