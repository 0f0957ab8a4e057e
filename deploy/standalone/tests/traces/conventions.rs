//! OpenTelemetry's semantic conventions: names, kinds, attributes and status of spans.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::collector::Exported;

const HTTP: [&str; 7] = [
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "network.protocol.version",
    "url.path",
    "url.scheme",
];
const HTTP_CLIENT: [&str; 6] = [
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "server.address",
    "server.port",
    "url.full",
];
const RPC: [&str; 6] = [
    "error.type",
    "rpc.method",
    "rpc.response.status_code",
    "rpc.system.name",
    "server.address",
    "server.port",
];
const SQL: [&str; 11] = [
    "bodega.combined_calls",
    "db.namespace",
    "db.operation.name",
    "db.query.summary",
    "db.query.text",
    "db.response.returned_rows",
    "db.response.status_code",
    "db.system.name",
    "error.type",
    "server.address",
    "server.port",
];

/// Asserts that a span follows the conventions.
pub(super) fn check(span: &Exported) {
    for key in ["service.name", "service.version", "service.instance.id", "telemetry.sdk.name"] {
        assert!(!span.resource[key].is_empty(), "{key}: {span:?}");
    }
    let (allowed, required): (&[_], &[_]) = match span.kind {
        SpanKind::Server if !span.is_rpc() => {
            let method = span.get("http.request.method");
            let name = format!("{method} {}", span.get("http.route"));
            assert_eq!(span.name, name.trim_end());
            assert_eq!(span.is_error, span.get("http.response.status_code").starts_with('5'), "{span:?}");
            assert!(!["/healthz", "/readyz"].contains(&span.get("url.path")), "{span:?}");
            (&HTTP, &["http.request.method", "http.response.status_code", "url.scheme"])
        }
        SpanKind::Server => {
            assert_eq!((span.name.as_str(), "grpc"), (span.get("rpc.method"), span.get("rpc.system.name")));
            assert!(span.name.starts_with("bodega."), "{span:?}");
            (&RPC, &["rpc.response.status_code"])
        }
        SpanKind::Client if span.is_rpc() => {
            assert_eq!((span.name.as_str(), "grpc"), (span.get("rpc.method"), span.get("rpc.system.name")));
            assert_eq!(span.is_error, span.get("rpc.response.status_code") != "OK", "{span:?}");
            (&RPC, &["rpc.response.status_code", "server.address", "server.port"])
        }
        SpanKind::Client if !span.is_sql() => {
            assert_eq!(span.name, span.get("http.request.method"));
            let status = span.get("http.response.status_code");
            assert_eq!(span.is_error, !status.starts_with('2'), "{span:?}");
            (&HTTP_CLIENT, &["url.full", "server.address", "server.port"])
        }
        SpanKind::Client => {
            assert_eq!(
                (span.name.as_str(), "postgresql"),
                (span.get("db.query.summary"), span.get("db.system.name"))
            );
            (&SQL, &["db.query.text", "db.namespace", "server.address", "server.port"])
        }
        SpanKind::Consumer => (&["error.type"], &[]),
        _ => panic!("unexpected kind: {span:?}"),
    };
    for key in span.attributes.keys() {
        assert!(allowed.contains(&&**key), "{key}: {span:?}");
    }
    for key in required {
        assert!(span.attributes.contains_key(*key), "{key}: {span:?}");
    }
    assert_eq!(span.is_error, span.attributes.contains_key("error.type"), "{span:?}");
}
