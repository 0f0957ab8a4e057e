//! Connecting to another process.
//!
//! A connection that the system has made is not one yet: the system makes it for a process that is frozen, or about to
//! exit, too, and a proxy makes it with nobody behind. What is sent over such a one is lost, and nobody can say whether
//! it was served. HTTP/2 servers speak first, with their settings; so we listen for that before anything is sent, and
//! what finds nobody can be sent again.

use std::{error::Error, io, time::Duration};

use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};
use tower::ServiceExt as _;

/// How long looking a name up and connecting may take: a neighbour is in the next rack, or is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a neighbour is listened for. One that has not spoken by then waits for us to do so, as proxies do that want
/// to know first what is spoken: it gets its way.
const FIRST_WORD: Duration = Duration::from_millis(250);

/// Connects to `uri` and waits until the neighbour is there.
///
/// # Errors
/// When it is not: nothing was sent.
pub(super) async fn connect(uri: Uri) -> Result<TokioIo<TcpStream>, Box<dyn Error + Send + Sync>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let connection = timeout(CONNECT_TIMEOUT, connector.oneshot(uri)).await??;
    first_word(timeout(FIRST_WORD, connection.inner().peek(&mut [0])).await)?;
    Ok(connection)
}

fn first_word(heard: Result<io::Result<usize>, Elapsed>) -> io::Result<()> {
    match heard {
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(cause)) => Err(cause),
    }
}
