//! Extractors of request data, which reject invalid input as a problem.

mod caller;
mod chunked_body;
mod client;
mod condition;
mod customer;
mod field_error;
mod files;
mod idempotency_key;
mod json;
mod limit;
mod query;
mod raw;
mod read_time;

pub(crate) use self::{
    caller::{Admin, AdminOrKey, Authentication, CART_TOKEN, CartOwner, IsAdmin, SignedIn, UserOrKey},
    client::Client,
    condition::{IfMatch, IfNoneMatch},
    customer::{Customer, ORDER_TOKEN, OrderAccess, OrderToken},
    files::Files,
    idempotency_key::IdempotencyKey,
    json::Json,
    limit::Limit,
    query::{Path, Query},
    raw::Raw,
};
