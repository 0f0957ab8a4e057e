//! State shared by all calls and workers.

use bodega_runtime::database::Pool;

use crate::{payments::providers::PaymentProviders, upstream::Upstreams};

/// The dependencies of the use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub db: Pool,
    pub upstreams: Upstreams,
    pub providers: PaymentProviders,
}
