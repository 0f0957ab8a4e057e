//! A TCP proxy that can delay, block, reset and close connections.
//!
//! Its address never changes, its upstream may: open connections keep theirs, new ones use the new one. A change of the
//! [`Mode`] affects open connections as well; see [`pump`].

mod mode;
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
    io::{AsyncRead, AsyncWrite, split},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::mode::Mode;
use self::pump::pump;

/// After a failed accept, for example without free file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A proxy on a port of 127.0.0.1. Closes all connections and the port on drop.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    mode: watch::Sender<Mode>,
    /// New connections are reset while it is `None`.
    upstream: Mutex<Option<Upstream>>,
    stop: CancellationToken,
    /// Closes the open connections when cancelled.
    connections: Mutex<CancellationToken>,
}

impl Proxy {
    /// Starts a proxy without an upstream on a free port.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Forward),
            upstream: Mutex::default(),
            connections: Mutex::new(stop.child_token()),
            stop: stop.clone(),
        });
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&shared))));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Directs new connections to another upstream.
    pub(crate) fn set_upstream(&self, upstream: Upstream) {
        *lock(&self.shared.upstream) = Some(upstream);
    }

    pub(crate) fn upstream(&self) -> Option<Upstream> {
        lock(&self.shared.upstream).clone()
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Closes all open connections. Delayed bytes are lost.
    pub(crate) fn close_connections(&self) {
        let next = self.shared.stop.child_token();
        mem::replace(&mut *lock(&self.shared.connections), next).cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) if *shared.mode.borrow() == Mode::Reset => reset_on_drop(&client),
            Ok((client, _)) => {
                let stop = lock(&shared.connections).clone();
                tokio::spawn(stop.run_until_cancelled_owned(forward(client, Arc::clone(&shared))));
            }
            Err(error) => {
                tracing::warn!("proxy cannot accept a connection, retrying in {ACCEPT_BACKOFF:?}: {error}");
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Makes the connection end with RST, as on a port without a listener.
fn reset_on_drop(client: &TcpStream) {
    // Fails only if the connection is closed.
    let _ = client.set_zero_linger();
}

/// Forwards a connection until both sides are closed or one fails.
async fn forward(client: TcpStream, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    if mode.wait_for(|mode| *mode != Mode::BlackHole).await.is_err() {
        return;
    }
    let Ok(server) = shared.connect().await else { return reset_on_drop(&client) };
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    // An error of one side closes the other, as both are dropped.
    let _ = tokio::try_join!(
        pump(from_client, to_server, mode.clone(), true),
        pump(from_server, to_client, mode, false)
    );
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Shared {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        loop {
            let upstream = lock(&self.upstream).clone();
            match connect(upstream.as_ref()).await {
                // The upstream has changed in the meantime.
                Err(_) if *lock(&self.upstream) != upstream => {}
                connected => return connected,
            }
        }
    }
}

async fn connect(upstream: Option<&Upstream>) -> io::Result<Box<dyn Stream>> {
    match upstream {
        Some(Upstream::Tcp(address)) => {
            let server = TcpStream::connect(address).await?;
            server.set_nodelay(true)?;
            Ok(Box::new(server))
        }
        Some(Upstream::Unix(path)) => Ok(Box::new(UnixStream::connect(path).await?)),
        None => Err(io::ErrorKind::ConnectionRefused.into()),
    }
}
