//! Passwords: which are good enough, and how they are kept.

mod hasher;
mod policy;
mod turns;

pub(crate) use self::{
    hasher::{Hasher, Verdict},
    policy::{Personal, check},
};
