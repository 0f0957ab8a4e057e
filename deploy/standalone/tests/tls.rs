//! TLS between five processes, with certificates of an authority of the test.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use bodega_embedded_postgres::testing::TempDir;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{
    harness::{
        binary::{SECRET, error_of},
        payments, process, store,
    },
    separate_processes::{Processes, purchase},
};

const NAMES: [&str; 5] = ["identity", "catalog", "cart", "order", "gateway"];

/// Writes certificates of a new authority for `localhost`, each with its key and the authority's certificate in a directory
/// of this name.
pub(crate) fn issue_certificates(directory: &Path, names: &[&str]) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let files = directory.join(name);
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("ca.pem"), authority.pem()).unwrap();
        fs::write(files.join("certificate.pem"), certificate.pem()).unwrap();
        fs::write(files.join("key.pem"), key.serialize_pem()).unwrap();
    }
}

/// The command of a process, without certificates.
fn plain(name: &str) -> tokio::process::Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
    command.args(["serve", name]);
    command
}

/// The command of a process with its certificates.
fn command(directory: &Path, name: &str) -> tokio::process::Command {
    let mut command = plain(name);
    let files = directory.join(name);
    command.env("BODEGA_TLS_CA_FILE", files.join("ca.pem"));
    command.env("BODEGA_TLS_CERTIFICATE_FILE", files.join("certificate.pem"));
    command.env("BODEGA_TLS_KEY_FILE", files.join("key.pem"));
    command
}

#[tokio::test]
async fn a_purchase_works_with_tls_between_five_processes_also_after_a_renewal() {
    let directory = TempDir::new("certificates").unwrap();
    issue_certificates(directory.path(), &NAMES);
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let program = |name: &str| command(directory.path(), name);
    let mut store = Processes::start(&database, &stripe, "https://localhost", program).await;
    purchase(&store, &stripe).await;

    // A connection without TLS.
    for address in &store.addresses[..4] {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        let mut response = Vec::new();
        // An alert of TLS, or nothing; never the settings of HTTP/2.
        let _ = connection.read_to_end(&mut response);
        assert_ne!(response.first(), Some(&0), "{address}: {response:?}");
    }

    // Each restarted process has connections to and from processes that have read their new files by themselves.
    issue_certificates(directory.path(), &NAMES);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for number in 0..4 {
        store.restart(number).await;
    }
    let ready = async {
        while !store.guest.reaches_all_services().await
            || store.guest.get("/api/products").await.status != 200
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready).await.expect("all five are ready again");
    let admin = store.guest.sign_in(store::ADMIN_EMAIL).await;
    let mug = admin.create_product("Cup", "9.99", 5).await;
    let order = admin.buy(mug, 1).await;
    assert_eq!(order["totalAmount"].to_string(), "9.99");
    store.stop().await;
}

#[tokio::test]
async fn a_gateway_without_certificates_reaches_no_service() {
    let directory = TempDir::new("certificates").unwrap();
    issue_certificates(directory.path(), &NAMES);
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let program = |name: &str| command(directory.path(), name);
    let store = Processes::start(&database, &stripe, "https://localhost", program).await;

    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut gateway = plain("gateway");
    gateway.env("BODEGA_LISTEN", format!("127.0.0.1:{port}"));
    gateway.env("BODEGA_SERVICE_TOKEN", "a_token_of_the_tests,_shared_by_all_five");
    for (name, address) in NAMES.iter().zip(&store.addresses[..4]) {
        gateway.env(format!("BODEGA_{}_URL", name.to_uppercase()), format!("http://{address}"));
    }
    let gateway = process::Running::start(&mut gateway);
    let guest = store::Client::at(&format!("http://127.0.0.1:{port}"));
    let started = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), started).await.expect("the gateway starts");
    assert_eq!(guest.get("/api/products").await.status, 503);
    assert_eq!(store.guest.get("/api/products").await.status, 200);
    gateway.terminate().await;
    store.stop().await;
}

#[tokio::test]
async fn an_incomplete_configuration_of_tls_stops_the_start() {
    let directory = TempDir::new("certificates").unwrap();
    issue_certificates(directory.path(), &NAMES);
    let gateway = |command: &mut tokio::process::Command| {
        command.env("BODEGA_SERVICE_TOKEN", SECRET).env("BODEGA_LISTEN", "127.0.0.1:0");
    };
    let mut incomplete = command(directory.path(), "gateway");
    gateway(incomplete.env("BODEGA_TLS_KEY_FILE", ""));
    let error = "error: BODEGA_TLS_KEY_FILE is missing: set all three variables BODEGA_TLS_* or none";
    assert_eq!(error_of(&mut incomplete).await, (1, error.to_owned()));

    let mut without = plain("gateway");
    gateway(without.env("BODEGA_CART_URL", "https://localhost:7003"));
    let error = "error: BODEGA_CART_URL: https needs BODEGA_TLS_CA_FILE, BODEGA_TLS_CERTIFICATE_FILE and BODEGA_TLS_KEY_FILE";
    assert_eq!(error_of(&mut without).await, (1, error.to_owned()));
}
