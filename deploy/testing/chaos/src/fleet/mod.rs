//! A whole store that can be broken: real processes over real sockets, each behind a proxy.
//!
//! [`site`] says what the processes are told. A [`member`] is one of them, down or up, and its proxy, whose address is
//! the only one that others know; [`roll`] replaces one by another. [`postgres`] is the database, which services reach
//! through a proxy as well. [`breaking`] is what can be done to them all. Whoever ends by itself is started again; whoever
//! was killed is not, until it is [restarted](Fleet::restart).
//!
//! Nothing is left when a [`Fleet`] is dropped: no process, and no file but the logs, where a directory was named for
//! them. When our own process is killed, theirs end by themselves, and a later test that needs a database clears the
//! files away.

mod breaking;
mod member;
mod postgres;
mod postmaster;
mod probe;
mod process;
mod programs;
mod role;
mod roll;
mod site;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use bodega_stripe_double::{Options, StripeDouble};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::role::Role;
use self::{member::Member, postgres::Postgres, postmaster::Postmaster, site::Site};
use crate::proxy::Proxy;

/// How long a store may take to open.
const OPEN_LIMIT: Duration = Duration::from_secs(120);
/// How often it is asked whether it is ready.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// How often somebody looks for processes that have ended by themselves.
const REVIVAL_INTERVAL: Duration = Duration::from_millis(250);
/// Where the gateway hears of payments.
const WEBHOOK: &str = "/api/webhooks/stripe";
/// Where a store in one process says how to join its database.
const RUNNING: &str = "running.url";

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct FleetOptions {
    /// True: one process with a database of its own. False: five, and Postgres.
    pub(crate) standalone: bool,
    /// Whether the database of five flushes what is committed to disk, so that it would survive a power cut, too. That of
    /// a store in one process always does.
    pub(crate) durable: bool,
    /// What the faults of the stand-in for Stripe are drawn from.
    pub(crate) seed: u64,
    /// How long access tokens are good for, in whole seconds; `None`: as long as ever.
    pub(crate) access_ttl: Option<Duration>,
    /// Where the processes' logs go, and stay; `None`: nowhere for long.
    pub(crate) log_dir: Option<PathBuf>,
}

/// Who runs the shop.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    /// What they sign in with.
    pub(crate) email: String,
    /// Their password.
    pub(crate) password: String,
}

/// A store of processes, and a stand-in for Stripe. All is killed when it is dropped.
pub(crate) struct Fleet {
    url: String,
    http: reqwest::Client,
    admin: Admin,
    stripe: StripeDouble,
    /// In the order of [`Role::PROCESSES`]; or one that is all of them.
    members: Arc<[Member]>,
    database: Database,
    // After all that writes there.
    site: Site,
    _watch: DropGuard,
}

/// Whose the database is.
enum Database {
    /// The fleet's.
    Own(Box<Postgres>),
    /// The only process's.
    Embedded { postmaster: Postmaster, url: String },
}

impl Fleet {
    /// Opens a store, and waits until it is ready.
    ///
    /// # Errors
    /// When a program is not built, or a process does not start, with the last lines of its log.
    pub(crate) async fn start(options: FleetOptions) -> anyhow::Result<Self> {
        let FleetOptions { standalone, durable, seed, .. } = options;
        let site = Site::prepare(options)?;
        let stripe = StripeDouble::start(Options { seed, ..Options::default() })
            .await
            .context("no stand-in for Stripe")?;
        let admin = Admin { email: "admin@shop.example".to_owned(), password: site::random() };
        let (members, database) = if standalone {
            let proxy = Proxy::start().await.context("no port for the store")?;
            let database =
                Database::Embedded { postmaster: Postmaster::of(site.data_dir()), url: String::new() };
            (vec![site.whole_store(proxy, &stripe, &admin)], database)
        } else {
            let postgres = Postgres::start(site.data_dir().to_owned(), durable).await?;
            site.furnish(postgres.url(), &admin).await?;
            (five(&site, &postgres, &stripe).await?, Database::Own(Box::new(postgres)))
        };
        let url = members.last().map(|gateway| url_of(gateway.proxy())).unwrap_or_default();
        stripe.deliver_to(&format!("{url}{WEBHOOK}"));
        let watch = CancellationToken::new();
        let mut fleet = Self {
            url,
            http: probe::client().context("no HTTP client")?,
            admin,
            stripe,
            members: members.into(),
            database,
            site,
            _watch: watch.clone().drop_guard(),
        };
        fleet.open().await?;
        if let Database::Embedded { url, .. } = &mut fleet.database {
            *url = fs::read_to_string(fleet.site.data_dir().join(RUNNING)).context(RUNNING)?;
        }
        tokio::spawn(watch.run_until_cancelled_owned(revive(Arc::clone(&fleet.members))));
        Ok(fleet)
    }

    /// Where clients go, such as `http://127.0.0.1:40123`; the same for as long as the fleet lives.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The superuser's way to the database, past every proxy. It holds the password in clear.
    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Database::Own(postgres) => postgres.url().to_owned(),
            Database::Embedded { url, .. } => url.clone(),
        }
    }

    /// Who moves the money.
    pub(crate) fn stripe(&self) -> &StripeDouble {
        &self.stripe
    }

    /// Who runs the shop.
    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Waits until the store is ready, as the gateway sees it; how long that took.
    ///
    /// # Errors
    /// When it is not ready within the time: what the gateway says.
    pub(crate) async fn is_ready(&self, within: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            match probe::ask_over_http(&self.http, &self.url).await {
                Ok(()) => return Ok(begun.elapsed()),
                Err(refusal) if begun.elapsed() >= within => {
                    return Err(refusal.context(format!("the store is not ready after {within:?}")));
                }
                Err(_) => sleep(PROBE_INTERVAL).await,
            }
        }
    }

    /// What others reach a process through, or services the database. In a store in one process, the one in front of it.
    pub(crate) fn proxy(&self, role: Role) -> &Proxy {
        match (self.member(role), &self.database) {
            (Some(member), _) => member.proxy(),
            (None, Database::Own(postgres)) => postgres.proxy(),
            (None, Database::Embedded { .. }) => self.members[0].proxy(),
        }
    }

    /// Looks whether everything adds up in the database; the report.
    ///
    /// # Errors
    /// When it does not, with the report.
    pub(crate) async fn verify(&self) -> anyhow::Result<String> {
        self.site.verify(&self.database_url()).await
    }

    /// The memory of a process that is not swapped out, in bytes; of Postgres, that of its first process. `None` where it is
    /// down, or the system does not tell.
    pub(crate) fn rss(&self, role: Role) -> Option<u64> {
        match self.member(role) {
            Some(member) => member.rss(),
            None => process::rss(self.postmaster().pid().ok()?),
        }
    }

    /// The number of a process; of Postgres, that of its first. `None` where it is down.
    pub(crate) fn pid(&self, role: Role) -> Option<u32> {
        let pid = match self.member(role) {
            Some(member) => member.pid()?,
            None => self.postmaster().pid().ok()?,
        };
        Some(pid.as_raw_pid().unsigned_abs())
    }

    /// `None` for Postgres.
    fn member(&self, role: Role) -> Option<&Member> {
        let index = Role::PROCESSES.iter().position(|process| *process == role)?;
        self.members.get(index).or(self.members.first())
    }

    fn postmaster(&self) -> &Postmaster {
        match &self.database {
            Database::Own(postgres) => postgres.postmaster(),
            Database::Embedded { postmaster, .. } => postmaster,
        }
    }

    /// Starts all processes, and waits until they are ready.
    async fn open(&self) -> anyhow::Result<()> {
        self.members.iter().try_for_each(Member::start)?;
        let begun = Instant::now();
        loop {
            self.members.iter().try_for_each(Member::check)?;
            match self.is_ready(PROBE_INTERVAL).await {
                Ok(_) => return Ok(()),
                Err(refusal) if begun.elapsed() >= OPEN_LIMIT => {
                    let said = self
                        .members
                        .iter()
                        .map(|member| format!("{}: {}", member.name(), member.last_lines()));
                    bail!("{refusal:#}\n{}", said.collect::<Vec<_>>().join("\n"));
                }
                Err(_) => {}
            }
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Here and now: the watch may hold them for a while.
        self.members.iter().for_each(Member::end);
        if let Database::Embedded { postmaster, .. } = &self.database {
            postmaster.end();
        }
    }
}

/// The five, each behind a proxy, in the order of [`Role::PROCESSES`]; all down.
async fn five(site: &Site, postgres: &Postgres, stripe: &StripeDouble) -> anyhow::Result<Vec<Member>> {
    let mut proxies = Vec::new();
    for role in Role::PROCESSES {
        proxies.push(Proxy::start().await.with_context(|| format!("no port for {role}"))?);
    }
    let urls: Vec<_> = proxies.iter().map(url_of).collect();
    let database_url = postgres.proxied_url();
    let members = Role::PROCESSES.into_iter().zip(proxies);
    Ok(members.map(|(role, proxy)| site.process(role, &urls, proxy, &database_url, stripe)).collect())
}

fn url_of(proxy: &Proxy) -> String {
    format!("http://{}", proxy.address())
}

/// Starts again what has ended by itself. Services do where they start while the database does not answer.
async fn revive(members: Arc<[Member]>) {
    loop {
        sleep(REVIVAL_INTERVAL).await;
        members.iter().for_each(Member::revive);
    }
}
