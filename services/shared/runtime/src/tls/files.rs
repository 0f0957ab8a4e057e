//! The files with the certificates, and the rustls configurations made of them.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::WebPkiClientVerifier,
    version::TLS13,
};

/// HTTP/2, the protocol of gRPC.
const ALPN: &[u8] = b"h2";

pub(super) struct Paths {
    pub(super) ca: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Inode, size and time of each file: one of them changes when a file is replaced.
pub(super) type Version = [(u64, u64, i64, i64); 3];

#[derive(Clone)]
pub(super) struct Configs {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Paths {
    /// Returns what identifies the contents of the files, or `None` when one does not exist.
    pub(super) fn version(&self) -> Option<Version> {
        let version = |path: &Path| {
            let metadata = path.metadata().ok()?;
            Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
        };
        Some([version(&self.ca)?, version(&self.certificate)?, version(&self.key)?])
    }

    /// Reads the files.
    ///
    /// # Errors
    /// When a file cannot be read or has other contents, or the key is not that of the certificate. Names the variable.
    pub(super) fn read(&self) -> anyhow::Result<Configs> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("BODEGA_TLS_CA_FILE", &self.ca)? {
            roots.add(certificate).with_context(|| unusable("BODEGA_TLS_CA_FILE", &self.ca))?;
        }
        let chain = certificates("BODEGA_TLS_CERTIFICATE_FILE", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(describe)
            .with_context(|| unusable("BODEGA_TLS_KEY_FILE", &self.key))?;

        let (roots, provider) = (Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
        Ok(Configs {
            client: Arc::new(self.client(roots.clone(), provider.clone(), chain.clone(), key.clone_key())?),
            server: Arc::new(self.server(roots, provider, chain, key)?),
        })
    }

    fn client(
        &self,
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> anyhow::Result<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .with_context(|| {
                format!("{} with {}", unusable("BODEGA_TLS_KEY_FILE", &self.key), self.certificate.display())
            })?;
        config.alpn_protocols.push(ALPN.to_vec());
        Ok(config)
    }

    fn server(
        &self,
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> anyhow::Result<ServerConfig> {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .with_context(|| unusable("BODEGA_TLS_CA_FILE", &self.ca))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        config.alpn_protocols.push(ALPN.to_vec());
        Ok(config)
    }
}

fn certificates(variable: &str, path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(describe)
        .with_context(|| unusable(variable, path))?;
    anyhow::ensure!(!certificates.is_empty(), "{}: it contains no PEM certificate", unusable(variable, path));
    Ok(certificates)
}

/// Returns the error in the words of the configuration: those of the parser name no file.
fn describe(error: pem::Error) -> anyhow::Error {
    match error {
        pem::Error::NoItemsFound => anyhow::anyhow!("it contains no PEM section of this kind"),
        pem::Error::Io(error) => error.into(),
        error => anyhow::anyhow!("{error:?}"),
    }
}

fn unusable(variable: &str, path: &Path) -> String {
    format!("{variable}: cannot use {}", path.display())
}
