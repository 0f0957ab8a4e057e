//! TLS between processes, with certificates of an authority of the test.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bodega_embedded_postgres::testing::TempDir;
use bodega_proto::cart::v1::{
    AddItemRequest, GetSnapshotRequest, cart_service_client::CartServiceClient,
    checkout_service_client::CheckoutServiceClient, checkout_service_server::CheckoutServiceServer,
};
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    listener::Listener,
    server::{AuthLayer, Service},
    tls::{Tls, TlsArgs},
    transport::Transport,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, service::Routes};

use crate::{
    harness::{Identity, RecordingService, unreachable_database},
    scripted_upstream::with_deadline_in,
};

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a new certificate for `name`, which is valid for a day, and the authority's.
    fn issue(&self, directory: &Path, name: &str) -> TlsArgs {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        fs::create_dir_all(directory).unwrap();
        let write = |file: &str, text: String| {
            // Renamed, so that no process reads half a file.
            let (new, path) = (directory.join("new"), directory.join(file));
            fs::write(&new, text).unwrap();
            fs::rename(new, &path).unwrap();
            Some(path)
        };
        TlsArgs {
            tls_ca_file: write("ca.pem", self.0.pem()),
            tls_certificate_file: write("certificate.pem", certificate.pem()),
            tls_key_file: write("key.pem", key.serialize_pem()),
        }
    }
}

/// Two processes of an installation.
struct Harness {
    directory: TempDir,
    authority: Authority,
    token: ServiceToken,
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl Harness {
    /// Starts a server.
    async fn start() -> Self {
        let (directory, authority) = (TempDir::new("tls").unwrap(), Authority::new());
        let (token, shutdown) = (ServiceToken::random(), CancellationToken::new());
        let verifier = Verifier::new(Identity::new().transport());
        let auth = AuthLayer { service_token: token.clone(), verifier };
        let routes = Routes::new(CheckoutServiceServer::new(RecordingService::default()));
        let service = Service::new("server", routes, unreachable_database(), shutdown.clone()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = authority.issue(&directory.path().join("server"), "localhost").open().unwrap();
        tokio::spawn(async move { service.serve(&auth, Listener::new(listener, tls)).await });
        Self { directory, authority, token, address, shutdown }
    }

    fn files(&self, process: &str) -> PathBuf {
        self.directory.path().join(process)
    }

    /// Returns the certificates of a client.
    fn client(&self) -> Tls {
        self.authority.issue(&self.files("client"), "client").open().unwrap().unwrap()
    }

    /// Returns a new transport with these certificates.
    fn transport(&self, host: &str, tls: Option<&Tls>) -> Transport {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{host}:{}", self.address.port()).parse().unwrap();
        Transport::remote_tls("server", uri, &self.token, tls).unwrap()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn read(transport: Transport) -> Result<(), Status> {
    let mut client = CheckoutServiceClient::new(transport);
    let call = async move { client.get_snapshot(GetSnapshotRequest::default()).await.map(drop) };
    with_deadline_in(Duration::from_secs(2)).scope(call).await
}

/// Asserts that no connection can be made, and so nothing is sent.
async fn assert_rejected(transport: Transport) {
    let error = read(transport).await.unwrap_err();
    assert!(matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded), "{error:?}");
}

#[tokio::test]
async fn processes_with_certificates_of_the_authority_call_each_other() {
    let harness = Harness::start().await;
    read(harness.transport("localhost", Some(&harness.client()))).await.unwrap();
}

#[tokio::test]
async fn rejects_connections_without_tls() {
    let harness = Harness::start().await;
    assert_rejected(harness.transport("localhost", None)).await;
    let mut connection = TcpStream::connect(harness.address).await.unwrap();
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut response = Vec::new();
    let closed = timeout(Duration::from_secs(10), connection.read_to_end(&mut response)).await;
    let _ = closed.expect("the server closes the connection");
    assert!(!response.starts_with(&[0, 0]), "no HTTP/2 settings: {response:?}");
}

#[tokio::test]
async fn rejects_clients_with_a_certificate_of_another_authority() {
    let harness = Harness::start().await;
    let foreign = Authority::new().issue(&harness.files("foreign"), "client");
    // It trusts the server, but the server does not trust it.
    fs::write(foreign.tls_ca_file.as_ref().unwrap(), harness.authority.0.pem()).unwrap();
    let transport = harness.transport("localhost", foreign.open().unwrap().as_ref());
    assert_rejected(transport.clone()).await;
    // A call that must not be retried is not sent either: it is retried until the deadline.
    let mut client = CartServiceClient::new(transport);
    let call = client.add_item(AddItemRequest::default());
    let error = with_deadline_in(Duration::from_secs(1)).scope(call).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
}

#[tokio::test]
async fn rejects_clients_without_a_certificate() {
    let harness = Harness::start().await;
    let mut roots = RootCertStore::empty();
    roots.add(harness.authority.0.der().clone()).unwrap();
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connection = TcpStream::connect(harness.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    // The client's part of the handshake ends before the server has seen that there is no certificate.
    let mut connection = connector.connect("localhost".try_into().unwrap(), connection).await.unwrap();
    let error = timeout(Duration::from_secs(10), connection.read_u8()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn rejects_servers_with_another_name_or_authority() {
    let harness = Harness::start().await;
    let client = harness.client();
    assert_rejected(harness.transport("127.0.0.1", Some(&client))).await;
    let foreign = Authority::new().issue(&harness.files("foreign"), "client").open().unwrap();
    assert_rejected(harness.transport("localhost", foreign.as_ref())).await;
}

/// The certificates of both processes are replaced by those of a new authority, while they run.
#[tokio::test]
async fn renewed_certificates_are_used_for_new_connections() {
    let harness = Harness::start().await;
    let client = harness.client();
    let open = harness.transport("localhost", Some(&client));
    read(open.clone()).await.unwrap();

    let new = Authority::new();
    new.issue(&harness.files("server"), "localhost");
    let renewed = new.issue(&harness.files("renewed"), "client").open().unwrap().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while read(harness.transport("localhost", Some(&renewed))).await.is_err() {
        assert!(Instant::now() < deadline, "the server does not use its new certificate");
    }
    assert_rejected(harness.transport("localhost", Some(&client))).await;
    read(open).await.unwrap();

    new.issue(&harness.files("client"), "client");
    while read(harness.transport("localhost", Some(&client))).await.is_err() {
        assert!(Instant::now() < deadline, "the client does not use its new certificate");
    }
}

#[tokio::test]
async fn unusable_new_files_keep_the_old_certificates() {
    let harness = Harness::start().await;
    let client = harness.client();
    for file in ["ca.pem", "certificate.pem", "key.pem"] {
        for process in ["server", "client"] {
            fs::write(harness.files(process).join(file), "half a file").unwrap();
        }
        // Longer than the interval of the checks.
        sleep(Duration::from_millis(1_200)).await;
        read(harness.transport("localhost", Some(&client))).await.unwrap();
    }
}

#[test]
fn an_incomplete_or_unusable_configuration_names_the_variable() {
    let directory = TempDir::new("tls").unwrap();
    let valid = Authority::new().issue(&directory.path().join("valid"), "localhost");
    let other = Authority::new().issue(&directory.path().join("other"), "localhost");
    let error = |change: &dyn Fn(&mut TlsArgs)| {
        let mut args = valid.clone();
        change(&mut args);
        format!("{:#}", args.open().map(drop).unwrap_err())
    };
    let empty = directory.path().join("empty");
    fs::write(&empty, "").unwrap();

    assert!(TlsArgs::default().open().unwrap().is_none());
    assert_eq!(
        error(&|args| args.tls_key_file = None),
        "BODEGA_TLS_KEY_FILE is missing: set all three variables BODEGA_TLS_* or none"
    );
    let missing = error(&|args| args.tls_ca_file = Some("/nowhere/ca.pem".into()));
    assert_eq!(
        missing,
        "BODEGA_TLS_CA_FILE: cannot use /nowhere/ca.pem: No such file or directory (os error 2)"
    );
    let no_certificate = error(&|args| args.tls_certificate_file = Some(empty.clone()));
    assert!(no_certificate.starts_with("BODEGA_TLS_CERTIFICATE_FILE: cannot use "), "{no_certificate}");
    assert!(no_certificate.ends_with("it contains no PEM certificate"), "{no_certificate}");
    let no_key = error(&|args| args.tls_key_file = Some(empty.clone()));
    assert!(no_key.starts_with("BODEGA_TLS_KEY_FILE: cannot use "), "{no_key}");
    let mismatch = error(&|args| args.tls_key_file = other.tls_key_file.clone());
    assert!(mismatch.starts_with("BODEGA_TLS_KEY_FILE: cannot use "), "{mismatch}");

    let https = "https://cart:7003".parse().unwrap();
    let transport = Transport::remote_tls("cart", https, &ServiceToken::random(), None);
    assert!(transport.map(drop).unwrap_err().to_string().contains("BODEGA_TLS_CA_FILE"));
}
