//! The store: four services and the gateway, wired together in this process.

use std::net::SocketAddr;

use anyhow::Context as _;
use bodega_gateway::Upstreams;
use bodega_media::Media;
use bodega_order::PaymentProviders;
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    database,
    server::{AuthLayer, Service},
    transport::Transport,
};
use sqlx::PgPool;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::provision::Logins;

/// What a store is told.
pub struct Options {
    /// How each service gets to its schema.
    pub logins: Logins,
    /// Connections that each service keeps at most.
    pub connections: u32,
    /// Identity's own.
    pub identity: bodega_identity::Settings,
    /// The gateway's own; its currency is the catalog's too, and its directory of pictures the one of `media`.
    pub gateway: bodega_gateway::Settings,
    /// How the shop is paid.
    pub payments: PaymentProviders,
    /// Where the pictures of products and accounts are kept.
    pub media: Media,
}

/// A store that is open. Dropped, it closes without waiting for anybody.
pub struct Store {
    address: SocketAddr,
    gateway: JoinHandle<anyhow::Result<()>>,
    services: Vec<Service>,
    pools: Vec<PgPool>,
    // The gateway closes first: what it still has to answer needs the services.
    close_gateway: DropGuard,
    close_services: DropGuard,
}

impl Store {
    /// Opens the store on `listener`, over databases that are migrated.
    ///
    /// # Errors
    /// When a service does not start.
    pub async fn start(options: Options, listener: TcpListener) -> anyhow::Result<Self> {
        let Options { logins, connections, identity, gateway, payments, media } = options;
        let address = listener.local_addr().context("the listener has no address")?;
        let closing = CancellationToken::new();
        let close_services = closing.clone().drop_guard();
        let pools = [
            database::pool(logins.identity, connections, "bodega-identity"),
            database::pool(logins.catalog, connections, "bodega-catalog"),
            database::pool(logins.cart, connections, "bodega-cart"),
            database::pool(logins.order, connections, "bodega-order"),
        ];
        let [identity_db, catalog_db, cart_db, order_db] = pools.clone();

        let identity = bodega_identity::start(identity_db, identity, media.clone(), closing.clone())
            .await
            .context("identity does not start")?;
        let guard = AuthLayer {
            service_token: ServiceToken::random(),
            verifier: Verifier::new(Transport::unauthenticated(identity.routes())),
        };
        let catalog = bodega_catalog::start(catalog_db, gateway.currency, media, closing.clone())
            .await
            .context("catalog does not start")?;
        let cart = bodega_cart::start(cart_db, catalog.transport(&guard), closing.clone())
            .await
            .context("cart does not start")?;
        let neighbours =
            bodega_order::Upstreams { cart: cart.transport(&guard), catalog: catalog.transport(&guard) };
        let order = bodega_order::start(order_db, neighbours, payments, closing)
            .await
            .context("order does not start")?;

        let upstreams = Upstreams {
            identity: identity.transport(&guard),
            catalog: catalog.transport(&guard),
            cart: cart.transport(&guard),
            order: order.transport(&guard),
        };
        let closing = CancellationToken::new();
        Ok(Self {
            address,
            gateway: tokio::spawn(bodega_gateway::start(gateway, upstreams, listener, closing.clone())),
            services: vec![order, cart, catalog, identity],
            pools: pools.into(),
            close_gateway: closing.drop_guard(),
            close_services,
        })
    }

    /// Where the store is open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps the store open until `closing`, then closes it: open requests are answered, then the services stop.
    ///
    /// # Errors
    /// When the gateway failed; the store is closed then too.
    pub async fn run_until(mut self, closing: impl Future<Output = ()>) -> anyhow::Result<()> {
        let failed = tokio::select! {
            served = &mut self.gateway => Some(served),
            () = closing => None,
        };
        drop(self.close_gateway);
        let served = match failed {
            Some(served) => served,
            None => self.gateway.await,
        };
        drop(self.close_services);
        for service in self.services {
            service.stop().await;
        }
        for pool in self.pools {
            pool.close().await;
        }
        served.context("the gateway panicked")?
    }
}
