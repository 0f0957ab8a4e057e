//! A load generator inside this process, so that an experiment can break the store at a known time of the recording.

mod connection;
mod generator;
mod samples;
mod users;
mod virtual_user;

pub(super) use self::{
    generator::Pace,
    samples::{Recording, Sample, TIMELY, p99, percentile, slowest, statuses, statuses_by_operation},
    users::Users,
    virtual_user::Operation,
};
