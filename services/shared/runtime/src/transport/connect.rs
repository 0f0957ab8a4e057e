//! Connecting to another process.
//!
//! A connection that the system has made is not one yet: the system makes it for a process that is frozen, or about to
//! exit, too, and a proxy makes it with nobody behind. What is sent over such a one is lost, and nobody can say whether
//! it was served. HTTP/2 servers speak first, with their settings; so we listen for that before anything is sent, and
//! what finds nobody can be sent again.

use std::{error::Error, io};

use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};
use tower::ServiceExt as _;

use crate::timeouts;

/// Connects to `uri` and waits until the neighbour is there.
///
/// # Errors
/// When it is not: nothing was sent.
pub(super) async fn connect(uri: Uri) -> Result<TokioIo<TcpStream>, Box<dyn Error + Send + Sync>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let connection = timeout(timeouts::CONNECT, connector.oneshot(uri)).await??;
    first_word(timeout(timeouts::SETTINGS, connection.inner().peek(&mut [0])).await)?;
    Ok(connection)
}

fn first_word(heard: Result<io::Result<usize>, Elapsed>) -> io::Result<()> {
    match heard {
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(cause)) => Err(cause),
    }
}
