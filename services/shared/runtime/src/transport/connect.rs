//! Connecting to another process.
//!
//! An established TCP connection does not prove that a server is behind it: the kernel accepts it for a process that is
//! frozen or about to exit, and a proxy without its server does too. A request sent over such a connection is lost, and
//! may or may not have been served. An HTTP/2 server sends its settings first, so the client waits for them before it
//! sends anything; a call that finds no server was not sent and can be retried.

use std::{error::Error, io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    time::{error::Elapsed, timeout},
};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::{timeouts, tls::TlsClient};

/// Reads of hyper are larger, and pass the buffer by once the settings are read.
const BUFFER: usize = 64;

/// A connection, with TLS or without.
pub(super) type Connection = Either<TcpStream, BufReader<TlsStream<TcpStream>>>;

/// Connects to `address` and waits until the server has sent something.
///
/// A server that sends nothing within [`timeouts::SETTINGS`] counts as present: some proxies wait for the client first.
///
/// # Errors
/// When there is no server. Nothing was sent then.
pub(super) async fn connect(
    address: SocketAddr,
    tls: Option<&TlsClient>,
) -> Result<Connection, Box<dyn Error + Send + Sync>> {
    let connection = timeout(timeouts::CONNECT, TcpStream::connect(address)).await??;
    connection.set_nodelay(true)?;
    let Some(tls) = tls else {
        check_settings(timeout(timeouts::SETTINGS, connection.peek(&mut [0])).await)?;
        return Ok(Either::Left(connection));
    };
    let connection = timeout(timeouts::TLS_HANDSHAKE, tls.connect(connection)).await??;
    let mut connection = BufReader::with_capacity(BUFFER, connection);
    // The server checks the client's certificate after the client has ended its part of the handshake.
    let settings = timeout(timeouts::SETTINGS, connection.fill_buf()).await;
    check_settings(settings.map(|settings| settings.map(<[u8]>::len)))?;
    Ok(Either::Right(connection))
}

/// Checks how many bytes have been received.
fn check_settings(received: Result<io::Result<usize>, Elapsed>) -> io::Result<()> {
    match received {
        Ok(Ok(0)) => {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed before HTTP/2 settings"))
        }
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(error),
    }
}
