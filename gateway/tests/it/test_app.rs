//! A gateway on its own port, with fake services and a client.

use std::{
    net::{IpAddr, SocketAddr},
    sync::OnceLock,
    time::Duration,
};

use bodega_gateway::{AccessLog, Settings, TrustedProxies, Upstreams};
use bodega_runtime::{
    auth::ServiceToken,
    config::{LogFormat, TelemetryArgs},
    health::Health,
    telemetry::{self, Telemetry},
    transport::Transport,
};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{fake_identity::Identity, fake_service::FakeService};

/// The origin that CORS allows.
pub(crate) const ALLOWED_ORIGIN: &str = "https://gateway.example";
/// Maximum size of a body in bytes.
pub(crate) const BODY_LIMIT: usize = 16 * 1024;
/// Timeout of a request.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(1500);
/// Maximum size of an upload in bytes.
pub(crate) const UPLOAD_LIMIT: usize = 8 * 1024 * 1024;
/// Timeout of an upload.
pub(crate) const UPLOAD_TIMEOUT: Duration = Duration::from_secs(6);

/// A gateway that runs until it is dropped.
pub(crate) struct TestApp {
    pub(crate) identity: Identity,
    pub(crate) catalog: FakeService,
    pub(crate) cart: FakeService,
    pub(crate) orders: FakeService,
    address: SocketAddr,
    client: reqwest::Client,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
    _shutdown_on_drop: DropGuard,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// Starts a gateway with changed settings and upstreams.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings, &mut Upstreams)) -> Self {
        enable_traces();
        let identity = Identity::new();
        let (catalog, cart, orders) =
            (FakeService::default(), FakeService::default(), FakeService::default());
        let mut settings = Settings {
            cache_bytes: 1024 * 1024,
            currency: "USD".parse().unwrap(),
            request_timeout: TIMEOUT,
            max_requests: 64,
            max_connections: 1000,
            trusted_proxies: TrustedProxies::default(),
            body_limit: BODY_LIMIT,
            upload_timeout: UPLOAD_TIMEOUT,
            upload_limit: UPLOAD_LIMIT,
            media_dir: None,
            cors_origins: vec![HeaderValue::from_static(ALLOWED_ORIGIN)],
            access_log: AccessLog::All,
        };
        let mut upstreams = Upstreams {
            identity: identity.transport(),
            catalog: catalog.transport("catalog"),
            cart: cart.transport("cart"),
            order: orders.transport("order"),
        };
        change(&mut settings, &mut upstreams);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        let _shutdown_on_drop = shutdown.clone().drop_guard();
        let served = tokio::spawn(bodega_gateway::start(
            settings,
            upstreams,
            listener,
            health.clone(),
            shutdown.clone(),
        ));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { identity, catalog, cart, orders, address, client, health, shutdown, served, _shutdown_on_drop }
    }

    /// Waits until the gateway has stopped.
    pub(crate) async fn stopped(self) -> anyhow::Result<()> {
        self.served.await.unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.request(Method::POST, path).json(&body)
    }

    /// Opens a TCP connection, for requests that an HTTP client cannot send.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Opens a TCP connection from another loopback address.
    pub(crate) async fn connect_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// A client with another loopback address.
    pub(crate) fn client_from(&self, address: &str) -> reqwest::Client {
        let address: IpAddr = address.parse().unwrap();
        reqwest::Client::builder().local_address(address).build().unwrap()
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends raw bytes and reads until the gateway closes the connection.
    pub(crate) async fn send_raw(&self, request: impl AsRef<[u8]>) -> TestResponse {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        let mut bytes = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await.unwrap();
        TestResponse::parse(&String::from_utf8_lossy(&bytes))
    }
}

/// Reads the next response of a connection, which may stay open.
pub(crate) async fn read_response(stream: &mut (impl AsyncRead + Unpin)) -> TestResponse {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if text.contains("\r\n\r\n") {
                let response = TestResponse::parse(&text);
                if response.text.len() >= response.header("content-length").parse().unwrap_or(0) {
                    return response;
                }
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{bytes:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap()
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl TestResponse {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a response");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        Self { status, headers, text: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Whether a `Vary` header names this header.
    pub(crate) fn varies_by(&self, name: &str) -> bool {
        let lists = self.headers.get_all("vary").iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).any(|one| one.trim() == name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts a complete problem with this status and code, and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert!(!self.header("x-request-id").is_empty());
        assert_eq!(problem["requestId"], self.header("x-request-id"));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        problem
    }

    /// Asserts a complete problem with this status and code, and returns the first field in its `errors`.
    #[track_caller]
    pub(crate) fn rejected_field(&self, status: u16, code: &str) -> String {
        self.problem(status, code)["errors"][0]["field"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends a request and reads the response.
pub(crate) trait SendRequest {
    async fn fetch(self) -> TestResponse;
}

impl SendRequest for RequestBuilder {
    async fn fetch(self) -> TestResponse {
        let response = self.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        TestResponse { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }
}

/// A service that does not run.
pub(crate) fn unreachable_service(name: &'static str) -> Transport {
    Transport::remote(name, "http://127.0.0.1:1".parse().unwrap(), &ServiceToken::random())
}

/// Enables traces, as in every process.
fn enable_traces() {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    TELEMETRY.get_or_init(|| {
        let log = "bodega_runtime::telemetry=info".to_owned();
        let args = TelemetryArgs { log, log_format: LogFormat::Text, otlp_endpoint: None };
        telemetry::init("bodega-gateway", &args).unwrap()
    });
}
