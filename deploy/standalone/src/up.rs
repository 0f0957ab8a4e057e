//! `bodega up`: runs the store until a signal.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use axum::Router;
use bodega_events::Nats;
use bodega_gateway::Settings;
use bodega_mail::DevMailbox;
use bodega_media::Media;
use bodega_order::OrderMail;
use bodega_runtime::{
    config::{self, ShutdownArgs},
    health::Health,
    metrics, process,
};
use clap::builder::BoolishValueParser;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    admin::{self, NewAdmin},
    database::{self, Database},
    output::print,
    secrets, seed,
    store::{Options, Store},
    store_args::StoreArgs,
};

/// Default address of the admin listener; the store starts without it if it is in use.
const ADMIN_HTTP: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9464);

/// Options of `bodega up`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address of the API
    #[arg(long, env = "BODEGA_HTTP", value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = config::address)]
    http: SocketAddr,
    /// Address of `/metrics`, `/healthz` and `/readyz` for operators [default: 127.0.0.1:9464 if it is free]
    #[arg(long, env = "BODEGA_ADMIN_HTTP", value_name = "ADDRESS", value_parser = config::address)]
    admin_http: Option<SocketAddr>,
    #[command(flatten)]
    shutdown: ShutdownArgs,
    /// Whether to add demo products to an empty catalog
    #[arg(
        long,
        env = "BODEGA_DEMO",
        value_name = "YES",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        value_parser = BoolishValueParser::new(),
        action = clap::ArgAction::Set
    )]
    demo: bool,
    /// Email of the first admin [default: admin@bodega.local in a store without users]
    #[arg(long, env = "BODEGA_ADMIN_EMAIL", value_name = "EMAIL")]
    admin_email: Option<String>,
    /// Password of the first admin [default: random, printed at start]
    #[arg(long, env = "BODEGA_ADMIN_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    admin_password: Option<String>,
}

impl Args {
    /// Creates the first admin if its password is set and there is no admin: a generated password would be lost in the log of a
    /// job.
    ///
    /// # Errors
    /// When the database fails, or email or password are invalid.
    pub(crate) async fn create_given_admin(&self, owner: &PgConnectOptions) -> anyhow::Result<()> {
        if self.admin_password.is_some() {
            // Only the settings of password hashing are used.
            let secret = secrets::random_secret().parse().map_err(anyhow::Error::msg)?;
            create_admin(self, owner, &bodega_identity::Settings::new(secret)).await?;
        }
        Ok(())
    }
}

/// Runs the store until Ctrl-C or SIGTERM.
///
/// # Errors
/// When the start fails, and when a part of the store fails later; nothing is left running then.
pub(crate) async fn run(args: Args, store: &StoreArgs) -> anyhow::Result<()> {
    let health = Health::default();
    let shutdown = process::shutdown_signal(&health, args.shutdown.drain_delay)?;
    // First, so that an address in use starts nothing else.
    let listener = TcpListener::bind(args.http).await.with_context(|| {
        format!("BODEGA_HTTP (or --http): cannot listen on {}: choose another address", args.http)
    })?;
    let mailbox = DevMailbox::default();
    let admin_http = serve_admin(args.admin_http, &health, &mailbox).await?;
    // Mails can set the password of the admin: they are shown on this machine only.
    let mailbox = admin_http.filter(|address| address.ip().is_loopback()).map(|address| (address, mailbox));
    let configuration = Configuration::read(store, listener.local_addr()?, mailbox)?;

    let opened = shutdown
        .run_until_cancelled(Database::open(&store.database_urls, &store.database, &store.data_dir))
        .await;
    let Some(database) = opened.transpose()? else { return Ok(()) };
    let served = tokio::select! {
        served = serve(&args, store, configuration, &database, listener, health, &shutdown) => served,
        never = database.keep_running() => match never {},
    };
    let closed = database.close().await;
    served.and(closed)
}

/// Configuration that needs no database. It is read first, so that an invalid one starts nothing.
struct Configuration {
    order: bodega_order::Settings,
    media: Media,
    gateway: Settings,
    nats: Option<Nats>,
    mail: OrderMail,
    /// The line of the startup message about mail.
    mail_line: String,
}

impl Configuration {
    fn read(
        store: &StoreArgs,
        address: SocketAddr,
        mailbox: Option<(SocketAddr, DevMailbox)>,
    ) -> anyhow::Result<Self> {
        let mail_line = match (&store.mail.smtp_url, &mailbox) {
            (Some(_), _) => String::new(),
            (None, Some((address, _))) => {
                format!("  mail   not sent but shown at http://{address}/mail (BODEGA_SMTP_URL)\n")
            }
            (None, None) => "  mail   not sent: set BODEGA_SMTP_URL\n".to_owned(),
        };
        let url = format!("http://{}", local(address)).parse().map_err(anyhow::Error::msg)?;
        let mailer = store.mail.mailer_or(mailbox.map(|(_, mailbox)| mailbox), url)?;
        let mail = OrderMail { mailer, args: store.order_mail.clone() };
        let order = store.order()?;
        let (media, gateway) = store.media()?;
        Ok(Self { order, media, gateway, nats: store.events.nats()?, mail, mail_line })
    }
}

async fn serve(
    args: &Args,
    store: &StoreArgs,
    configuration: Configuration,
    database: &Database,
    listener: TcpListener,
    health: Health,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mail_line = configuration.mail_line.clone();
    let prepared = shutdown.run_until_cancelled(prepare(args, store, configuration, database, health)).await;
    let Some(options) = prepared.transpose()? else { return Ok(()) };
    let livemode = options.order.payments.livemode();
    // Not cancelled by a shutdown: a generated password must be printed in any case.
    let admin = create_admin(args, &database.owners().identity, &options.identity).await?;
    let started = shutdown.run_until_cancelled(Store::start(options, listener)).await.transpose();
    let address = started.as_ref().ok().and_then(|started| started.as_ref().map(Store::address));
    print(&startup_message(address, livemode, &mail_line, admin.as_ref()))?;
    match started? {
        Some(store) => store.run_until(shutdown.cancelled()).await,
        None => Ok(()),
    }
}

async fn prepare(
    args: &Args,
    store: &StoreArgs,
    configuration: Configuration,
    database: &Database,
    health: Health,
) -> anyhow::Result<Options> {
    database.migrate(&store.data_dir).await?;
    let logins = database.logins(&store.data_dir).await?;
    if args.demo {
        seed::demo_if_empty(&database.owners().catalog, store.gateway.currency)
            .await
            .context("cannot add demo products")?;
    }
    let Configuration { order, media, gateway, nats, mail, .. } = configuration;
    Ok(Options {
        logins,
        connections: store.database.db_connections,
        behind_pooler: store.database.db_pooler,
        identity: bodega_identity::Settings { mail: mail.mailer.clone(), ..store.identity()? },
        gateway,
        order,
        mail,
        media,
        health,
        nats,
        audit: store.audit,
    })
}

async fn create_admin(
    args: &Args,
    owner: &PgConnectOptions,
    settings: &bodega_identity::Settings,
) -> anyhow::Result<Option<NewAdmin>> {
    let db = database::connect(owner).await?;
    let (email, password) = (args.admin_email.as_deref(), args.admin_password.as_deref());
    let admin = admin::ensure_one(&db, settings, email, password).await?;
    db.close().await;
    Ok(admin)
}

/// Serves metrics, health and the dev mailbox. Returns the address, unless the default one is in use.
async fn serve_admin(
    address: Option<SocketAddr>,
    health: &Health,
    mailbox: &DevMailbox,
) -> anyhow::Result<Option<SocketAddr>> {
    let wanted = address.unwrap_or(ADMIN_HTTP.into());
    let pages = if wanted.ip().is_loopback() { mailbox.router() } else { Router::new() };
    match metrics::serve(wanted, health.clone(), pages).await {
        Err(error) if address.is_none() => {
            warn!("metrics are disabled: {error:#}");
            Ok(None)
        }
        served => served.map(Some),
    }
}

/// Returns an address of this machine for an unspecified one.
fn local(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// Returns the startup message. `address` is `None` if the start failed; then only a new password is printed. `livemode` is
/// `None` if cards are not accepted, and otherwise whether real money moves.
fn startup_message(
    address: Option<SocketAddr>,
    livemode: Option<bool>,
    mail: &str,
    admin: Option<&NewAdmin>,
) -> String {
    let admin = match admin {
        Some(NewAdmin { email, password: Some(password) }) => {
            format!("  admin  {email}, password {password} (shown only once)\n")
        }
        Some(NewAdmin { email, password: None }) => format!("  admin  {email}\n"),
        None if address.is_none() => String::new(),
        None => "  admin  unchanged; `bodega admin create` creates another\n".to_owned(),
    };
    let Some(address) = address.map(local) else { return admin };
    let cards = match livemode {
        Some(true) => "  cards  accepted in live mode\n",
        Some(false) => "  cards  accepted in test mode: no money moves\n",
        None => "",
    };
    format!("The store is open at http://{address}\n  docs   http://{address}/docs\n{admin}{cards}{mail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_admin() -> NewAdmin {
        NewAdmin { email: "ada@shop.example".to_owned(), password: Some("secret".to_owned()) }
    }

    #[test]
    fn prints_a_local_address_for_an_unspecified_one() {
        let message = startup_message("0.0.0.0:80".parse().ok(), None, "", None);
        assert!(message.starts_with("The store is open at http://127.0.0.1:80\n"), "{message}");
    }

    #[test]
    fn prints_a_new_password_even_if_the_start_fails() {
        assert!(startup_message(None, None, "", Some(&new_admin())).contains("secret"));
        assert_eq!(startup_message(None, Some(true), "", None), "");
    }

    #[test]
    fn prints_whether_cards_are_accepted_in_live_mode() {
        let message = |livemode| startup_message("127.0.0.1:80".parse().ok(), livemode, "", None);
        let lines = |livemode| message(livemode).lines().count();
        assert!(message(Some(false)).ends_with("\n  cards  accepted in test mode: no money moves\n"));
        assert!(message(Some(true)).ends_with("\n  cards  accepted in live mode\n"));
        assert_eq!((lines(None), lines(Some(true))), (3, 4));
    }
}
