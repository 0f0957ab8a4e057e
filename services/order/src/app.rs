//! State shared by all calls and workers.

use bodega_runtime::{database::Pool, rate_limit::RateLimiter};

use crate::{
    Settings, checkout::db::combined::Statements, detached::DetachedWork, mail::RequireVerifiedEmail,
    outbox::cleared_carts::ClearedCarts, payments::providers::PaymentProviders, upstream::Upstreams,
};

/// The dependencies of the use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub db: Pool,
    pub upstreams: Upstreams,
    pub providers: PaymentProviders,
    pub rate_limiter: RateLimiter,
    /// The statements that place orders.
    pub statements: Statements,
    pub cleared_carts: ClearedCarts,
    pub require_verified_email: RequireVerifiedEmail,
    /// Orders that are being placed.
    pub placing: DetachedWork,
    /// Payments that are being started.
    pub starting_payments: DetachedWork,
    /// The number of pending orders that a user may have; `None` for no limit.
    pub max_pending_orders: Option<u32>,
}

impl App {
    pub(crate) fn new(
        db: Pool,
        upstreams: Upstreams,
        settings: Settings,
        rate_limiter: RateLimiter,
        require_verified_email: RequireVerifiedEmail,
    ) -> Self {
        let statements = Statements::new(&db);
        let Settings { payments: providers, max_pending_orders } = settings;
        Self {
            db,
            upstreams,
            providers,
            rate_limiter,
            statements,
            cleared_carts: ClearedCarts::default(),
            placing: DetachedWork::new(),
            require_verified_email,
            starting_payments: DetachedWork::new(),
            max_pending_orders,
        }
    }
}
