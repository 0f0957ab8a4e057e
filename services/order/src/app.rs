//! State shared by all calls and workers.

use sqlx::PgPool;

use crate::{payments::providers::PaymentProviders, upstream::Upstreams};

/// The dependencies of the use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub db: PgPool,
    pub upstreams: Upstreams,
    pub providers: PaymentProviders,
}
