//! An OpenTelemetry collector that keeps what it receives.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming},
};

pub(super) type Attributes = BTreeMap<String, String>;

/// A received span.
#[derive(Clone, Debug)]
pub(super) struct Exported {
    pub(super) resource: Attributes,
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) trace_id: String,
    pub(super) id: String,
    pub(super) parent_id: String,
    pub(super) attributes: Attributes,
    pub(super) links: Vec<(String, String)>,
    pub(super) is_error: bool,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Everything, as text.
    pub(super) text: String,
}

impl Exported {
    fn new(resource: &Attributes, span: &Span) -> Self {
        Self {
            resource: resource.clone(),
            name: span.name.clone(),
            kind: span.kind(),
            trace_id: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent_id: hex(&span.parent_span_id),
            attributes: attributes(&span.attributes),
            links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
            is_error: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
            start: span.start_time_unix_nano,
            end: span.end_time_unix_nano,
            text: format!("{resource:?} {span:?}"),
        }
    }

    pub(super) fn service(&self) -> &str {
        &self.resource["service.name"]
    }

    pub(super) fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    pub(super) fn is_sql(&self) -> bool {
        self.attributes.contains_key("db.system.name")
    }

    pub(super) fn is_rpc(&self) -> bool {
        self.attributes.contains_key("rpc.system.name")
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(attributes: &[KeyValue]) -> Attributes {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

/// Stops when the runtime of the test does.
#[derive(Clone, Default)]
pub(super) struct Collector(Arc<Mutex<Vec<Exported>>>);

impl Collector {
    /// Starts a collector; returns its URL.
    pub(super) async fn start() -> (Self, String) {
        Self::serve(Server::builder(), "http://127.0.0.1").await
    }

    /// The same, with the certificate `certificate.pem` for `localhost` and the key `key.pem`.
    pub(super) async fn start_tls(files: &Path) -> (Self, String) {
        let read = |name| fs::read(files.join(name)).unwrap();
        let identity = Identity::from_pem(read("certificate.pem"), read("key.pem"));
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        Self::serve(server, "https://localhost").await
    }

    async fn serve(mut server: Server, host: &str) -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{host}:{}", listener.local_addr().unwrap().port());
        let server = server.add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (collector, url)
    }

    pub(super) fn spans(&self) -> Vec<Exported> {
        self.0.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = attributes(&resource.resource.unwrap_or_default().attributes);
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| Exported::new(&attributes, span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
