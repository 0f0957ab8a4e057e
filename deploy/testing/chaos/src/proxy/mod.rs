//! A TCP proxy that can be told to be slow, silent, or not there.
//!
//! It listens at one address for as long as it lives. Where it leads to can change: connections that are open stay where
//! they are, new ones go to the new place. [`Mode`]s take effect on open connections, too; [`pump`] is where.

mod pump;
#[cfg(test)]
mod tests;

use std::{
    io, mem,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::pump::pump;

/// Pause after a connection could not be accepted: file descriptors may be free again by then.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Bytes go both ways, at once.
    Pass,
    /// What clients send is held back for so long; answers go at once. What is on its way when the time becomes shorter
    /// arrives earlier, and all at once when it passes again.
    Delay(Duration),
    /// Connections are accepted, and nothing comes out at either end, not even that one was closed. What was sent
    /// meanwhile arrives once it passes again.
    BlackHole,
    /// New connections are closed at once. Those that are open pass.
    Refuse,
}

/// Where connections lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// A listener of TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A proxy on a port of 127.0.0.1. Dropped, it closes all connections and lets go of the port.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    mode: watch::Sender<Mode>,
    /// Where new connections go; closed at once while there is nothing.
    upstream: Mutex<Option<Upstream>>,
    stop: CancellationToken,
    /// What ends the connections that are open now.
    connections: Mutex<CancellationToken>,
}

impl Proxy {
    /// Starts a proxy on a free port that passes, and leads nowhere yet: connections are closed at once.
    ///
    /// # Errors
    /// When there is no port.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Pass),
            upstream: Mutex::default(),
            connections: Mutex::new(stop.child_token()),
            stop: stop.clone(),
        });
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&shared))));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections there from now on.
    pub(crate) fn lead_to(&self, upstream: Upstream) {
        *lock(&self.shared.upstream) = Some(upstream);
    }

    /// Where new connections go; `None` before it was told.
    pub(crate) fn leads_to(&self) -> Option<Upstream> {
        lock(&self.shared.upstream).clone()
    }

    /// What becomes of connections from now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Closes all connections that are open. What is on its way is lost.
    pub(crate) fn cut(&self) {
        let next = self.shared.stop.child_token();
        mem::replace(&mut *lock(&self.shared.connections), next).cancel();
    }
}

/// Nothing is left half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) if *shared.mode.borrow() == Mode::Refuse => reset(&client),
            Ok((client, _)) => {
                let until = lock(&shared.connections).clone();
                tokio::spawn(until.run_until_cancelled_owned(carry(client, Arc::clone(&shared))));
            }
            Err(cause) => {
                tracing::warn!("a proxy cannot accept: {cause}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Lets a connection end with RST, once it is dropped, as where nobody listens.
fn reset(client: &TcpStream) {
    // Fails where it is closed already.
    let _ = client.set_zero_linger();
}

/// Leads a connection to where it goes, until both ends are closed or one is broken.
async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    if mode.wait_for(|mode| *mode != Mode::BlackHole).await.is_err() {
        return;
    }
    let Ok(mut server) = shared.connect().await else { return reset(&client) };
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let answers = mode.clone();
    // An error is that an end is gone: the other one learns it as both are dropped.
    let _ = match &mut server {
        Stream::Tcp(server) => {
            let (from_server, to_server) = server.split();
            tokio::try_join!(
                pump(from_client, to_server, mode, true),
                pump(from_server, to_client, answers, false)
            )
        }
        Stream::Unix(server) => {
            let (from_server, to_server) = server.split();
            tokio::try_join!(
                pump(from_client, to_server, mode, true),
                pump(from_server, to_client, answers, false)
            )
        }
    };
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Shared {
    async fn connect(&self) -> io::Result<Stream> {
        loop {
            let upstream = lock(&self.upstream).clone();
            let connected = match &upstream {
                Some(Upstream::Tcp(address)) => TcpStream::connect(address).await.map(Stream::Tcp),
                Some(Upstream::Unix(path)) => UnixStream::connect(path).await.map(Stream::Unix),
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            };
            match connected {
                // It has moved meanwhile.
                Err(_) if *lock(&self.upstream) != upstream => {}
                Ok(Stream::Tcp(server)) => {
                    server.set_nodelay(true)?;
                    return Ok(Stream::Tcp(server));
                }
                connected => return connected,
            }
        }
    }
}
