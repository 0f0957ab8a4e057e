//! Connecting to another process.
//!
//! An established TCP connection does not prove that a server is behind it: the kernel accepts it for a process that is
//! frozen or about to exit, and a proxy without its server does too. A request sent over such a connection is lost, and
//! may or may not have been served. An HTTP/2 server sends its settings first, so the client waits for them before it
//! sends anything; a call that finds no server was not sent and can be retried.

use std::{error::Error, io, net::SocketAddr};

use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};

use crate::timeouts;

/// Connects to `address` and waits until the server has sent something.
///
/// A server that sends nothing within [`timeouts::SETTINGS`] counts as present: some proxies wait for the client first.
///
/// # Errors
/// When there is no server. Nothing was sent then.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Box<dyn Error + Send + Sync>> {
    let connection = timeout(timeouts::CONNECT, TcpStream::connect(address)).await??;
    connection.set_nodelay(true)?;
    check_settings(timeout(timeouts::SETTINGS, connection.peek(&mut [0])).await)?;
    Ok(connection)
}

fn check_settings(peeked: Result<io::Result<usize>, Elapsed>) -> io::Result<()> {
    match peeked {
        Ok(Ok(0)) => {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed before HTTP/2 settings"))
        }
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(error),
    }
}
