//! Mutual TLS between the processes of an installation, with a certificate authority of its own.
//!
//! A service presents its certificate, and accepts only clients with a certificate of the authority; a client verifies that the
//! server's certificate was issued by the authority for the host of the URL. The files are read again when they have been
//! replaced: new connections use the new certificates, open ones keep theirs. TLS 1.3 is the only version.

mod files;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use http::Uri;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, rustls::pki_types::ServerName, server};
use tracing::{info, warn};

use self::files::{Configs, Paths, Version};

/// The files are compared with those that were read at most this often, when there are new connections.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Arguments for TLS between processes. All three or none.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TlsArgs {
    /// File with the certificates, as PEM, of the authority that issues the certificates of all processes [default: no TLS]
    #[arg(long, env = "BODEGA_TLS_CA_FILE")]
    pub tls_ca_file: Option<PathBuf>,
    /// File with the certificate chain of this process, as PEM, for its clients and for its servers
    #[arg(long, env = "BODEGA_TLS_CERTIFICATE_FILE")]
    pub tls_certificate_file: Option<PathBuf>,
    /// File with the private key of the certificate, as PEM
    #[arg(long, env = "BODEGA_TLS_KEY_FILE")]
    pub tls_key_file: Option<PathBuf>,
}

impl TlsArgs {
    /// Reads the files. Returns `None` when none is configured.
    ///
    /// # Errors
    /// When only some are configured, or they cannot be used. The error names the variable.
    pub fn open(self) -> anyhow::Result<Option<Tls>> {
        let files = [
            ("BODEGA_TLS_CA_FILE", self.tls_ca_file),
            ("BODEGA_TLS_CERTIFICATE_FILE", self.tls_certificate_file),
            ("BODEGA_TLS_KEY_FILE", self.tls_key_file),
        ];
        if files.iter().all(|(_, file)| file.is_none()) {
            return Ok(None);
        }
        let missing = files.iter().find(|(_, file)| file.is_none()).map(|(variable, _)| *variable);
        let [Some(ca), Some(certificate), Some(key)] = files.map(|(_, file)| file) else {
            anyhow::bail!(
                "{} is missing: set all three variables BODEGA_TLS_* or none",
                missing.unwrap_or_default()
            );
        };
        Tls::open(Paths { ca, certificate, key }).map(Some)
    }
}

/// The certificates of this process. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    paths: Paths,
    state: Mutex<State>,
}

struct State {
    configs: Configs,
    version: Option<Version>,
    checked: Instant,
}

impl Tls {
    fn open(paths: Paths) -> anyhow::Result<Self> {
        let version = paths.version();
        let configs = paths.read()?;
        let state = Mutex::new(State { configs, version, checked: Instant::now() });
        Ok(Self(Arc::new(Inner { paths, state })))
    }

    /// Returns the current configurations. Keeps the last usable ones when the files are unusable.
    fn configs(&self) -> Configs {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.checked.elapsed() >= CHECK_INTERVAL {
            state.checked = Instant::now();
            let version = self.0.paths.version();
            if version != state.version {
                state.version = version;
                match self.0.paths.read() {
                    Ok(configs) => {
                        info!("TLS certificates were replaced, new connections use the new ones");
                        state.configs = configs;
                    }
                    Err(error) => warn!("new TLS certificates are unusable, keeping the old ones: {error:#}"),
                }
            }
        }
        state.configs.clone()
    }

    /// Accepts a connection of a client with a certificate of the authority.
    pub(crate) async fn accept(&self, connection: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        TlsAcceptor::from(self.configs().server).accept(connection).await
    }

    /// Returns what is needed to connect to the server of this URL, or `None` if the URL is not `https`.
    pub(crate) fn client(tls: Option<&Self>, uri: &Uri) -> anyhow::Result<Option<TlsClient>> {
        if uri.scheme_str() != Some("https") {
            return Ok(None);
        }
        let tls = tls
            .context("https needs BODEGA_TLS_CA_FILE, BODEGA_TLS_CERTIFICATE_FILE and BODEGA_TLS_KEY_FILE")?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let server_name = ServerName::try_from(host.to_owned())
            .context("the host is no name that a certificate can have")?;
        Ok(Some(TlsClient { tls: tls.clone(), server_name }))
    }
}

/// Connects to one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TlsClient {
    tls: Tls,
    server_name: ServerName<'static>,
}

impl TlsClient {
    pub(crate) async fn connect(&self, connection: TcpStream) -> io::Result<client::TlsStream<TcpStream>> {
        TlsConnector::from(self.tls.configs().client).connect(self.server_name.clone(), connection).await
    }
}
