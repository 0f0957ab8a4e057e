//! The four services and the gateway in one process.

use std::net::SocketAddr;

use anyhow::Context as _;
use bodega_audit::AuditArgs;
use bodega_events::Nats;
use bodega_gateway::Upstreams;
use bodega_media::Media;
use bodega_order::OrderMail;
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    database,
    database::Pool,
    health::Health,
    server::{AuthLayer, Service},
    transport::Transport,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::provision::Logins;

/// Options of a store.
pub struct Options {
    /// Connection options of the services.
    pub logins: Logins,
    /// Maximum database connections of each service.
    pub connections: u32,
    /// Whether the database is behind a connection pooler in transaction mode.
    pub behind_pooler: bool,
    /// Settings of the identity service. Catalog, cart and order have the same rate limits.
    pub identity: bodega_identity::Settings,
    /// Settings of the gateway. The catalog uses the same currency, and `media` the same directory.
    pub gateway: bodega_gateway::Settings,
    /// Settings of the order service.
    pub order: bodega_order::Settings,
    /// Mails about orders; those about accounts are a part of the settings of identity.
    pub mail: OrderMail,
    /// Image storage.
    pub media: Media,
    /// Readiness of the store.
    pub health: Health,
    /// NATS servers to publish events to.
    pub nats: Option<Nats>,
    /// Settings of the audit logs.
    pub audit: AuditArgs,
}

/// A running store. Dropping it stops it without waiting.
pub struct Store {
    address: SocketAddr,
    gateway: JoinHandle<anyhow::Result<()>>,
    services: Vec<Service>,
    pools: Vec<Pool>,
    // The gateway stops first, because its open requests need the services.
    stop_gateway: DropGuard,
    stop_services: DropGuard,
}

impl Store {
    /// Starts the store on `listener`. The databases must be migrated.
    ///
    /// # Errors
    /// When a service does not start.
    pub async fn start(options: Options, listener: TcpListener) -> anyhow::Result<Self> {
        let Options {
            logins,
            connections,
            behind_pooler,
            identity,
            gateway,
            order,
            mail,
            media,
            health,
            nats,
            audit,
        } = options;
        let address = listener.local_addr().context("listener has no address")?;
        let closing = CancellationToken::new();
        let stop_services = closing.clone().drop_guard();
        let pool = if behind_pooler { database::pool_behind_pooler } else { database::pool };
        let pools = [
            pool(logins.identity, connections, "bodega-identity"),
            pool(logins.catalog, connections, "bodega-catalog"),
            pool(logins.cart, connections, "bodega-cart"),
            pool(logins.order, connections, "bodega-order"),
        ];
        let rate_limits = identity.rate_limits;
        let [identity_db, catalog_db, cart_db, order_db] = pools.clone();

        let identity = bodega_identity::start(identity_db, identity, media.clone(), closing.clone())
            .await
            .context("cannot start identity")?;
        let auth = AuthLayer {
            service_token: ServiceToken::random(),
            verifier: Verifier::new(Transport::unauthenticated(identity.routes())),
        };
        let (currency, closing_catalog) = (gateway.currency, closing.clone());
        let catalog =
            bodega_catalog::start(catalog_db, currency, media, nats.clone(), rate_limits, closing_catalog)
                .await
                .context("cannot start catalog")?;
        let cart_cache_bytes = gateway.cache_bytes / 4;
        let gateway =
            bodega_gateway::Settings { cache_bytes: gateway.cache_bytes - cart_cache_bytes, ..gateway };
        let cart_catalog = catalog.transport(&auth);
        let cart = bodega_cart::start(cart_db, cart_catalog, cart_cache_bytes, rate_limits, closing.clone())
            .await
            .context("cannot start cart")?;
        let order_upstreams = bodega_order::Upstreams {
            cart: cart.transport(&auth),
            catalog: catalog.transport(&auth),
            identity: identity.transport(&auth),
        };
        let order = bodega_order::start(order_db, order_upstreams, order, nats, rate_limits, mail, closing)
            .await
            .context("cannot start order")?;

        let [identity_db, catalog_db, _, order_db] = &pools;
        bodega_identity::AUDIT.maintain(&identity, identity_db, audit, identity.transport(&auth));
        bodega_catalog::AUDIT.maintain(&catalog, catalog_db, audit, identity.transport(&auth));
        bodega_order::AUDIT.maintain(&order, order_db, audit, identity.transport(&auth));

        let upstreams = Upstreams {
            identity: identity.transport(&auth),
            catalog: catalog.transport(&auth),
            cart: cart.transport(&auth),
            order: order.transport(&auth),
        };
        let closing = CancellationToken::new();
        let gateway = bodega_gateway::start(gateway, upstreams, listener, health, closing.clone());
        Ok(Self {
            address,
            gateway: tokio::spawn(gateway),
            services: vec![order, cart, catalog, identity],
            pools: pools.into(),
            stop_gateway: closing.drop_guard(),
            stop_services,
        })
    }

    /// Address of the API.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs the store until `shutdown`, then completes open requests and stops the services.
    ///
    /// # Errors
    /// When the gateway fails; the services are stopped then too.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let result = tokio::select! {
            served = &mut self.gateway => Some(served),
            () = shutdown => None,
        };
        drop(self.stop_gateway);
        let served = match result {
            Some(served) => served,
            None => self.gateway.await,
        };
        drop(self.stop_services);
        for service in self.services {
            service.stop().await;
        }
        for pool in self.pools {
            pool.close().await;
        }
        served.context("the gateway panicked")?
    }
}
