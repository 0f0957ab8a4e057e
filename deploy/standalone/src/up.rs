//! `bodega up`: opens the store, and closes it in good order.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use bodega_gateway::Settings;
use bodega_media::Media;
use bodega_order::PaymentProviders;
use bodega_runtime::{config, metrics, process};
use clap::builder::BoolishValueParser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    admin::{self, NewAdmin},
    cli::{StoreArgs, print},
    database::{self, Database},
    provision, seed,
    store::{Options, Store},
};

/// Where `/metrics` is, unless it was said; that somebody else is there already is no reason not to open.
const ADMIN_HTTP: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9464);

/// How the store is opened.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to open the store at
    #[arg(long, env = "BODEGA_HTTP", value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = config::address)]
    http: SocketAddr,
    /// Address for operators: `/metrics`; 127.0.0.1:9464 if that is free
    #[arg(long, env = "BODEGA_ADMIN_HTTP", value_name = "ADDRESS", value_parser = config::address)]
    admin_http: Option<SocketAddr>,
    /// Whether to put demo goods into an empty catalogue
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
    /// Email of the first admin, where there is none; admin@bodega.local in a store without accounts
    #[arg(long, env = "BODEGA_ADMIN_EMAIL", value_name = "EMAIL")]
    admin_email: Option<String>,
    /// Password of the first admin; one is made and printed when not given
    #[arg(long, env = "BODEGA_ADMIN_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    admin_password: Option<String>,
}

/// Opens the store, and closes it at Ctrl-C and SIGTERM.
///
/// # Errors
/// When it cannot be opened, and when a part of it fails while it is open; nothing is left running then.
pub(crate) async fn run(args: Args, store: &StoreArgs) -> anyhow::Result<()> {
    let shutdown = process::shutdown_signal()?;
    // First: a store that cannot be reached need not be opened.
    let listener = TcpListener::bind(args.http).await.with_context(|| {
        format!("BODEGA_HTTP (or --http): cannot listen on {}, choose another", args.http)
    })?;
    serve_metrics(args.admin_http, &shutdown).await?;
    let outside = Outside::configured(store)?;

    let opened = shutdown.run_until_cancelled(Database::open(&store.database, &store.data_dir)).await;
    let Some(database) = opened.transpose()? else { return Ok(()) };
    let served = tokio::select! {
        served = serve(&args, store, outside, &database, listener, &shutdown) => served,
        never = database.keep_running() => match never {},
    };
    let closed = database.close().await;
    served.and(closed)
}

/// What is not in the database; looked at before one is started, so that half a configuration starts nothing.
struct Outside {
    payments: PaymentProviders,
    media: Media,
    gateway: Settings,
}

impl Outside {
    fn configured(store: &StoreArgs) -> anyhow::Result<Self> {
        let payments = store.payments.providers()?;
        let (media, gateway) = store.media()?;
        Ok(Self { payments, media, gateway })
    }
}

async fn serve(
    args: &Args,
    store: &StoreArgs,
    outside: Outside,
    database: &Database,
    listener: TcpListener,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let prepared = shutdown.run_until_cancelled(prepare(args, store, outside, database)).await;
    let Some(options) = prepared.transpose()? else { return Ok(()) };
    let livemode = options.payments.livemode();
    // Not to be interrupted: a password that was made must be printed, whatever comes next.
    let admin = make_admin(args, database, &options.identity).await?;
    let opened = shutdown.run_until_cancelled(Store::start(options, listener)).await.transpose();
    let address = opened.as_ref().ok().and_then(|opened| opened.as_ref().map(Store::address));
    print(&welcome(address, livemode, admin.as_ref()))?;
    match opened? {
        Some(open) => open.run_until(shutdown.cancelled()).await,
        None => Ok(()),
    }
}

async fn prepare(
    args: &Args,
    store: &StoreArgs,
    outside: Outside,
    database: &Database,
) -> anyhow::Result<Options> {
    provision::migrate(database.owner()).await?;
    let logins = database.logins(&store.data_dir).await?;
    if args.demo {
        seed::demo_if_empty(database.owner(), store.gateway.currency).await.context("no demo data")?;
    }
    let Outside { payments, media, gateway } = outside;
    Ok(Options {
        logins,
        connections: store.database.db_connections,
        identity: store.identity()?,
        gateway,
        payments,
        media,
    })
}

async fn make_admin(
    args: &Args,
    database: &Database,
    settings: &bodega_identity::Settings,
) -> anyhow::Result<Option<NewAdmin>> {
    let db = database::connect(database.owner()).await?;
    let (email, password) = (args.admin_email.as_deref(), args.admin_password.as_deref());
    let admin = admin::ensure_one(&db, settings, email, password).await?;
    db.close().await;
    Ok(admin)
}

async fn serve_metrics(address: Option<SocketAddr>, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let served = metrics::serve(address.unwrap_or(ADMIN_HTTP.into()), shutdown.clone()).await;
    match served {
        Err(cause) if address.is_none() => {
            warn!("No metrics: {cause:#}");
            Ok(())
        }
        served => served,
    }
}

/// What a person needs, and no more. Without an address, only what will not be said again. `livemode` is whether real
/// money moves, where cards are taken.
fn welcome(address: Option<SocketAddr>, livemode: Option<bool>, admin: Option<&NewAdmin>) -> String {
    let admin = match admin {
        Some(NewAdmin { email, password: Some(password) }) => {
            format!("  admin  {email}, password {password} (shown only this once)\n")
        }
        Some(NewAdmin { email, password: None }) => format!("  admin  {email}\n"),
        None if address.is_none() => String::new(),
        None => "  admin  as before; `bodega admin create` makes another\n".to_owned(),
    };
    let Some(mut address) = address else { return admin };
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let cards = match livemode {
        Some(true) => "  cards  are taken, for real money\n",
        Some(false) => "  cards  are taken in test mode: no money moves\n",
        None => "",
    };
    format!("The store is open at http://{address}\n  docs   http://{address}/docs\n{admin}{cards}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_admin() -> NewAdmin {
        NewAdmin { email: "ada@shop.example".to_owned(), password: Some("secret".to_owned()) }
    }

    #[test]
    fn a_store_that_is_open_to_everybody_is_named_by_an_address_that_works_here() {
        let said = welcome("0.0.0.0:80".parse().ok(), None, None);
        assert!(said.starts_with("The store is open at http://127.0.0.1:80\n"), "{said}");
    }

    #[test]
    fn a_new_password_is_told_even_if_the_store_does_not_open() {
        assert!(welcome(None, None, Some(&new_admin())).contains("secret"));
        assert_eq!(welcome(None, Some(true), None), "");
    }

    #[test]
    fn whether_cards_are_taken_for_real_money_is_told_in_a_line() {
        let said = |livemode| welcome("127.0.0.1:80".parse().ok(), livemode, None);
        let lines = |livemode| said(livemode).lines().count();
        assert!(said(Some(false)).ends_with("\n  cards  are taken in test mode: no money moves\n"));
        assert!(said(Some(true)).ends_with("\n  cards  are taken, for real money\n"));
        assert_eq!((lines(None), lines(Some(true))), (3, 4));
    }
}
