//! What handlers ask of a request, and the problems that bad ones get.

mod caller;
mod client;
mod condition;
mod files;
mod idempotency_key;
mod json;
mod limit;
mod query;
mod raw;
mod sips;

pub(crate) use self::{
    caller::{Admin, Authentication, CART_TOKEN, CartOwner, SignedIn, access_token},
    client::Client,
    condition::{IfMatch, IfNoneMatch},
    files::Files,
    idempotency_key::IdempotencyKey,
    json::Json,
    limit::Limit,
    query::{Path, Query},
    raw::Raw,
};
