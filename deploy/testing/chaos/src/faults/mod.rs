//! The faults of a run and when they happen.

mod fault;
mod schedule;

pub(crate) use self::{
    fault::{Fault, FaultKind, Lane},
    schedule::Schedule,
};
