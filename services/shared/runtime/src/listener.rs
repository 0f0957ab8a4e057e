//! Where a service accepts connections, with or without TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _, future};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};
use tracing::debug;

use crate::{timeouts, tls::Tls};

/// TLS handshakes at the same time; further connections wait.
const MAX_HANDSHAKES: usize = 128;

/// A bound address.
pub struct Listener {
    pub(crate) tcp: TcpListener,
    pub(crate) tls: Option<Tls>,
}

impl Listener {
    /// Accepts only TLS connections if `tls` is given, and only others if not.
    pub fn new(tcp: TcpListener, tls: Option<Tls>) -> Self {
        Self { tcp, tls }
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, tls: None }
    }
}

/// A TLS connection of a client.
pub(crate) struct TlsConnection(TlsStream<TcpStream>);

impl Connected for TlsConnection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.0.get_ref().0.connect_info()
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

/// Accepts connections.
pub(crate) fn incoming(listener: TcpListener) -> TcpIncoming {
    // A response is sent in pieces, none of which must wait for the acknowledgement of the previous one. The builder's
    // own setting applies only to listeners that the builder has bound itself.
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// Accepts TLS connections. Those without a valid certificate are closed.
pub(crate) fn tls_incoming(
    listener: TcpListener,
    tls: Tls,
) -> impl Stream<Item = io::Result<TlsConnection>> + Send + Unpin {
    let handshakes = incoming(listener).map(move |accepted| {
        let tls = tls.clone();
        async move {
            match accepted {
                Ok(connection) => handshake(&tls, connection).await.map(Ok),
                Err(error) => Some(Err(error)),
            }
        }
    });
    Box::pin(handshakes.buffer_unordered(MAX_HANDSHAKES).filter_map(future::ready))
}

/// Returns `None` when the client has no valid certificate, or does not complete the handshake in time.
async fn handshake(tls: &Tls, connection: TcpStream) -> Option<TlsConnection> {
    let address = connection.peer_addr();
    match timeout(timeouts::TLS_HANDSHAKE, tls.accept(connection)).await {
        Ok(Ok(connection)) => return Some(TlsConnection(connection)),
        Ok(Err(error)) => debug!("rejected the connection of {address:?}: {error}"),
        Err(_) => debug!("rejected the connection of {address:?}: the TLS handshake timed out"),
    }
    None
}
