//! State that the handlers share.

use std::sync::Arc;

use bodega_proto::{
    audit::v1::audit_service_client::AuditServiceClient,
    cart::v1::cart_service_client::CartServiceClient,
    catalog::v1::{
        catalog_service_client::CatalogServiceClient, variant_service_client::VariantServiceClient,
    },
    identity::v1::{
        identity_service_client::IdentityServiceClient, recovery_service_client::RecoveryServiceClient,
    },
    mail::v1::mail_service_client::MailServiceClient,
    order::v1::{
        order_service_client::OrderServiceClient,
        payment_webhook_service_client::PaymentWebhookServiceClient,
        settings_service_client::SettingsServiceClient,
    },
};
use bodega_runtime::{auth::Verifier, health::Health, money::Currency, transport::Transport};

use crate::{
    api::products::cached::ProductCache, api_keys::ApiKeys, availability::Availability, config::Settings,
    revocations::Revocations,
};

/// Enough for 100 orders, and for 100 shipping zones, of the maximum length.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// Transports to the services.
#[derive(Clone)]
pub struct Upstreams {
    /// Identity.
    pub identity: Transport,
    /// Catalog.
    pub catalog: Transport,
    /// Cart.
    pub cart: Transport,
    /// Order.
    pub order: Transport,
}

/// State that the handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    settings: Settings,
    upstreams: Upstreams,
    verifier: Verifier,
    revocations: Revocations,
    api_keys: ApiKeys,
    products: ProductCache,
    availability: Availability,
    health: Health,
}

impl App {
    pub(crate) fn new(
        settings: Settings,
        upstreams: Upstreams,
        verifier: Verifier,
        revocations: Revocations,
        availability: Availability,
        health: Health,
    ) -> Self {
        let products = ProductCache::new("gateway", upstreams.catalog.clone(), settings.cache_bytes, |_| {});
        let api_keys = ApiKeys::new(upstreams.identity.clone());
        Self(Arc::new(Inner {
            settings,
            upstreams,
            verifier,
            revocations,
            api_keys,
            products,
            availability,
            health,
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The currency of amounts in requests.
    pub(crate) fn currency(&self) -> Currency {
        self.0.settings.currency
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    pub(crate) fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    pub(crate) fn api_keys(&self) -> &ApiKeys {
        &self.0.api_keys
    }

    pub(crate) fn products(&self) -> &ProductCache {
        &self.0.products
    }

    pub(crate) fn availability(&self) -> &Availability {
        &self.0.availability
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.health.is_draining()
    }

    pub(crate) fn identity(&self) -> IdentityServiceClient<Transport> {
        IdentityServiceClient::new(self.0.upstreams.identity.clone())
    }

    pub(crate) fn recovery(&self) -> RecoveryServiceClient<Transport> {
        RecoveryServiceClient::new(self.0.upstreams.identity.clone())
    }

    /// Mails of accounts.
    pub(crate) fn account_mails(&self) -> MailServiceClient<Transport> {
        MailServiceClient::new(self.0.upstreams.identity.clone())
    }

    /// Mails of orders.
    pub(crate) fn order_mails(&self) -> MailServiceClient<Transport> {
        MailServiceClient::new(self.0.upstreams.order.clone())
    }

    pub(crate) fn catalog(&self) -> CatalogServiceClient<Transport> {
        CatalogServiceClient::new(self.0.upstreams.catalog.clone())
    }

    pub(crate) fn variants(&self) -> VariantServiceClient<Transport> {
        VariantServiceClient::new(self.0.upstreams.catalog.clone())
    }

    pub(crate) fn cart(&self) -> CartServiceClient<Transport> {
        CartServiceClient::new(self.0.upstreams.cart.clone())
    }

    pub(crate) fn orders(&self) -> OrderServiceClient<Transport> {
        OrderServiceClient::new(self.0.upstreams.order.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES)
    }

    /// Settings, taxes, shipping zones and discounts.
    pub(crate) fn store_settings(&self) -> SettingsServiceClient<Transport> {
        SettingsServiceClient::new(self.0.upstreams.order.clone())
            .max_decoding_message_size(MAX_RESPONSE_BYTES)
    }

    /// The audit logs of the services, by their names.
    pub(crate) fn audit_logs(&self) -> [(&'static str, AuditServiceClient<Transport>); 3] {
        let Upstreams { identity, catalog, cart: _, order } = &self.0.upstreams;
        [("identity", identity), ("catalog", catalog), ("order", order)]
            .map(|(service, transport)| (service, AuditServiceClient::new(transport.clone())))
    }

    pub(crate) fn payment_events(&self) -> PaymentWebhookServiceClient<Transport> {
        PaymentWebhookServiceClient::new(self.0.upstreams.order.clone())
    }
}
