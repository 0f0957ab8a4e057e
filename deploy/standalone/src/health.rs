//! `bodega health`: the health check of a container.

use std::{
    ffi::OsString,
    iter::once,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use bodega_runtime::config;
use bytes::Bytes;
use clap::Parser;
use http::{Request, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_millis(800);
/// Maximum size of a response that is read.
const MAX_BYTES: usize = 64 * 1024;

/// Check that the process with this environment is ready; exits with 1 if it is not
///
/// Requests `/readyz` from the address in `BODEGA_ADMIN_HTTP`. The other variables of the environment are not read.
#[derive(Parser)]
#[command(name = "bodega health", version)]
struct Cli {
    /// Address of the process's `/readyz` and `/metrics`
    #[arg(long, env = "BODEGA_ADMIN_HTTP", value_name = "ADDRESS", default_value = "127.0.0.1:9464", value_parser = config::address)]
    admin_http: SocketAddr,
}

/// Runs the check.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let address = match config::parse_from(once("bodega health".into()).chain(arguments)) {
        Ok(Cli { admin_http }) => admin_http,
        Err(code) => return code,
    };
    match check(local(address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn check(address: SocketAddr) -> anyhow::Result<()> {
    tokio::time::timeout(TIMEOUT, request(address))
        .await
        .with_context(|| format!("no response from {address} within {} ms", TIMEOUT.as_millis()))?
}

async fn request(address: SocketAddr) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/readyz").header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let body =
        Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?;
    bail!("{address} is not ready: {status}: {}", String::from_utf8_lossy(&body.to_bytes()).trim())
}

/// Returns the address at which a process that listens on all interfaces can be reached from its own machine.
fn local(mut address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_a_process_that_listens_on_all_interfaces() {
        for (listen, reach) in
            [("0.0.0.0:9464", "127.0.0.1:9464"), ("[::]:9464", "[::1]:9464"), ("10.1.2.3:80", "10.1.2.3:80")]
        {
            assert_eq!(local(listen.parse().unwrap()), reach.parse().unwrap());
        }
    }
}
