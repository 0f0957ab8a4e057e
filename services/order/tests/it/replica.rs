//! A running instance of the order service, and its clients.

use bodega_events::Nats;
use bodega_order::{OrderMail, PaymentProviders, Settings, Upstreams};
use bodega_proto::{
    cart::v1::checkout_service_server::CheckoutServiceServer,
    catalog::v1::stock_service_server::StockServiceServer,
    identity::v1::{
        contact_service_server::ContactServiceServer, erasure_service_server::ErasureServiceServer,
    },
    order::v1::{
        order_service_client::OrderServiceClient,
        payment_webhook_service_client::PaymentWebhookServiceClient,
        settings_service_client::SettingsServiceClient,
    },
};
use bodega_runtime::{
    auth::{AUDIENCE, Caller, Claims, ISSUER, Role},
    database::pool,
    rate_limit::RateLimits,
    server::Service,
    transport::Transport,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use uuid::Uuid;

use crate::{fake_cart::FakeCart, fake_catalog::FakeCatalog, fake_contacts::FakeContacts};

/// Pending orders of a user at the same time.
pub(crate) const MAX_PENDING_ORDERS: u32 = 20;

pub(crate) type Client = OrderServiceClient<InterceptedService<Transport, ActAs>>;

pub(crate) type GuestClient = OrderServiceClient<Transport>;

pub(crate) type RulesClient = SettingsServiceClient<InterceptedService<Transport, ActAs>>;

/// Makes calls on behalf of a caller.
#[derive(Clone)]
pub(crate) struct ActAs(Caller);

impl Interceptor for ActAs {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.extensions_mut().insert(self.0.clone());
        Ok(request)
    }
}

/// A running instance of the service.
pub(crate) struct Replica {
    pub(crate) service: Service,
    shutdown: CancellationToken,
}

impl Replica {
    /// Stops the replica and its workers.
    pub(crate) async fn kill(self) {
        self.shutdown.cancel();
        self.service.stop().await;
    }

    pub(crate) fn client(&self, user: Uuid, role: Role) -> Client {
        self.client_of(Caller::new(user, Uuid::now_v7(), role))
    }

    /// Returns a client with an API key.
    pub(crate) fn api_key(&self, scope: &str) -> Client {
        let id = Uuid::now_v7();
        self.client_of(Caller::from(Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: id,
            sid: id,
            role: Role::ApiKey,
            iat: 0,
            exp: i64::MAX,
            jti: id,
            scope: scope.to_owned(),
            second_factor_at: None,
            second_factor_missing: false,
        }))
    }

    fn client_of(&self, caller: Caller) -> Client {
        let transport = Transport::unauthenticated(self.service.routes());
        OrderServiceClient::with_interceptor(transport, ActAs(caller))
    }

    /// Returns a client without an account.
    pub(crate) fn guest_client(&self) -> GuestClient {
        OrderServiceClient::new(Transport::unauthenticated(self.service.routes()))
    }

    /// Returns a client for settings, taxes, shipping zones and discounts.
    pub(crate) fn rules(&self, user: Uuid, role: Role) -> RulesClient {
        let caller = Caller::new(user, Uuid::now_v7(), role);
        let transport = Transport::unauthenticated(self.service.routes());
        SettingsServiceClient::with_interceptor(transport, ActAs(caller))
    }

    /// Returns a client for webhook events.
    pub(crate) fn events(&self) -> PaymentWebhookServiceClient<Transport> {
        PaymentWebhookServiceClient::new(Transport::unauthenticated(self.service.routes()))
    }
}

/// The services that the order service calls.
pub(crate) type Fakes = (FakeCart, FakeCatalog, FakeContacts);

/// Starts a replica on a migrated database.
pub(crate) async fn replica(
    url: &str,
    (cart, catalog, contacts): Fakes,
    payments: &PaymentProviders,
    nats: Option<&Nats>,
    mail: &OrderMail,
) -> Replica {
    let upstreams = Upstreams {
        cart: Transport::unauthenticated(Routes::new(CheckoutServiceServer::new(cart))),
        catalog: Transport::unauthenticated(Routes::new(StockServiceServer::new(catalog))),
        identity: Transport::unauthenticated(
            Routes::new(ContactServiceServer::new(contacts.clone()))
                .add_service(ErasureServiceServer::new(contacts)),
        ),
    };
    let db = pool(url.parse().unwrap(), 10, "bodega-order");
    let shutdown = CancellationToken::new();
    let settings = Settings { payments: payments.clone(), max_pending_orders: Some(MAX_PENDING_ORDERS) };
    let service = bodega_order::start(
        db,
        upstreams,
        settings,
        nats.cloned(),
        RateLimits::On,
        mail.clone(),
        shutdown.clone(),
    );
    let service = service.await.unwrap();
    Replica { service, shutdown }
}
