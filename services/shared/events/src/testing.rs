//! A real NATS server for tests, and the check of events against their schemas.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    collections::{HashMap, HashSet},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use async_nats::jetstream::{self, stream::Stream};
use boon::{Compiler, Schemas};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{EventArgs, Nats};

/// Files of a server with TLS.
const CA: &str = "ca.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// A NATS server with JetStream. Dropping it stops it.
pub struct NatsServer {
    program: PathBuf,
    port: u16,
    data: TempDir,
    /// `user:password`, or a token; such a server has TLS.
    credentials: Option<&'static str>,
    process: Option<Child>,
}

impl NatsServer {
    /// Starts a server. Returns `None` and says so if `nats-server` is not installed.
    pub async fn start() -> Option<Self> {
        let mut server = Self::stopped()?;
        server.restart().await;
        Some(server)
    }

    /// Starts a server with TLS that requires these credentials: `user:password`, or a token.
    pub async fn start_secured(credentials: &'static str) -> Option<Self> {
        let mut server = Self::stopped()?;
        server.credentials = Some(credentials);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        for (file, text) in
            [(CA, authority.pem()), (CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem())]
        {
            fs::write(server.data.path().join(file), text).unwrap();
        }
        server.restart().await;
        Some(server)
    }

    /// Returns a server that is not started yet.
    pub fn stopped() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]);
        let Some(program) = directories.map(|directory| directory.join("nats-server")).find(|p| p.is_file())
        else {
            eprintln!("skipped: nats-server is not installed");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { program, port, data: tempfile::tempdir().unwrap(), credentials: None, process: None })
    }

    /// Returns the settings of a service that publishes to this server.
    pub fn nats(&self) -> Nats {
        self.args().nats().unwrap().unwrap()
    }

    /// Returns the same as arguments of a service.
    pub fn args(&self) -> EventArgs {
        EventArgs {
            nats_url: Some(self.url().parse().unwrap()),
            nats_credentials: self.credentials.map(|credentials| credentials.parse().unwrap()),
            nats_ca_file: self.credentials.map(|_| self.data.path().join(CA)),
            ..EventArgs::default()
        }
    }

    fn url(&self) -> String {
        let origin = if self.credentials.is_some() { "tls://localhost" } else { "nats://127.0.0.1" };
        format!("{origin}:{}", self.port)
    }

    /// Starts the server, after it was killed if it runs.
    pub async fn restart(&mut self) {
        self.kill();
        let storage = self.data.path().join("jetstream");
        let mut command = Command::new(&self.program);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"]).arg(&storage);
        if let Some(credentials) = self.credentials {
            command.arg("--tls").arg("--tlscert").arg(self.data.path().join(CERTIFICATE));
            command.arg("--tlskey").arg(self.data.path().join(KEY));
            match credentials.split_once(':') {
                Some((user, password)) => command.args(["--user", user, "--pass", password]),
                None => command.args(["--auth", credentials]),
            };
        }
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.process = Some(process);
        let started = Instant::now();
        while self.connect().await.is_none() {
            assert!(started.elapsed() < Duration::from_secs(20), "nats-server does not start");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Freezes the server, or continues it.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Deletes all data of a server that is stopped.
    pub fn delete_data(&self) {
        assert!(self.process.is_none());
        fs::remove_dir_all(self.data.path().join("jetstream")).unwrap();
    }

    async fn connect(&self) -> Option<jetstream::Context> {
        let nats = self.nats();
        let options = nats.options().connection_timeout(Duration::from_secs(2));
        Some(jetstream::new(options.connect(self.url()).await.ok()?))
    }

    async fn stream(&self) -> Option<Stream> {
        self.connect().await?.get_stream("BODEGA").await.ok()
    }

    /// Returns the events in the stream, in their order.
    pub async fn events(&self) -> Vec<Value> {
        let Some(mut stream) = self.stream().await else { return Vec::new() };
        let state = stream.info().await.unwrap().state.clone();
        let mut events = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let event: Value = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(message.subject.as_str(), event["type"].as_str().unwrap());
            events.push(event);
        }
        events
    }

    /// Waits until the stream has `count` events with different ids, and returns the first one of each id.
    pub async fn distinct_events(&self, count: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let mut ids = HashSet::new();
            let mut events = self.events().await;
            events.retain(|event| ids.insert((event["source"].to_string(), event["id"].to_string())));
            if events.len() >= count {
                assert_eq!(events.len(), count, "{events:#?}");
                return events;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{} of {count} events", events.len());
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Checks that the sequence of each aggregate grows, and returns the types of its events.
///
/// # Panics
/// If an event has a lower sequence than an earlier one of its aggregate.
pub fn types_by_aggregate(events: &[Value]) -> HashMap<String, Vec<String>> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    let mut last = HashMap::new();
    let mut types: HashMap<_, Vec<_>> = HashMap::new();
    for event in events {
        let (aggregate, sequence) = (text(event, "subject"), text(event, "sequence"));
        if let Some(before) = last.insert(aggregate.clone(), sequence.clone()) {
            assert!(before < sequence, "{aggregate}: {sequence} after {before}");
        }
        types.entry(aggregate).or_default().push(text(event, "type"));
    }
    types
}

/// Checks an event against the schema of its type.
///
/// # Panics
/// If it does not match.
pub fn assert_valid(event: &Value) {
    let kind = event["type"].as_str().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{kind}.json"));
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    let schema = compiler.compile(file.to_str().unwrap(), &mut schemas).unwrap();
    if let Err(error) = schemas.validate(event, schema) {
        panic!("{kind}: {error}: {event:#}");
    }
}
