//! Traces of five processes, as a collector receives them.

mod collector;
mod conventions;

use std::collections::{BTreeMap, BTreeSet};

use bodega_embedded_postgres::testing::{TempDir, TestDatabase};
use bodega_stripe_double::{Card, StripeDouble};
use futures_util::future::join_all;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use self::collector::{Collector, Exported};
use crate::{
    harness::{
        payments, process,
        store::{self, Client, PASSWORD},
    },
    separate_processes::{Processes, purchase},
    tls,
};

const SERVICES: [&str; 4] = ["bodega-identity", "bodega-catalog", "bodega-cart", "bodega-order"];
/// The span of the client.
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

/// Starts the five processes with these variables. They export their last spans when they are stopped.
async fn start(database: &TestDatabase, stripe: &StripeDouble, variables: &[(&str, &str)]) -> Processes {
    let program = |name: &str| {
        let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
        command.args(["serve", name]).env("BODEGA_REQUEST_TIMEOUT", "60").envs(variables.iter().copied());
        command
    };
    Processes::start(database, stripe, "http://127.0.0.1", program).await
}

/// Returns the client with a trace of its own, and the id of the trace.
fn traced(client: &Client) -> (Client, String) {
    let id = Uuid::new_v4().simple().to_string();
    (client.clone().with("traceparent", &format!("00-{id}-{CLIENT_SPAN}-01")), id)
}

fn of_trace<'a>(spans: &'a [Exported], trace_id: &str) -> Vec<&'a Exported> {
    spans.iter().filter(|span| span.trace_id == trace_id).collect()
}

/// Returns the only span of this name and kind.
fn only<'a>(spans: &[&'a Exported], name: &str, kind: SpanKind) -> &'a Exported {
    let mut found = spans.iter().filter(|span| span.name == name && span.kind == kind);
    let span = found.next().unwrap_or_else(|| panic!("no span {name}: {spans:#?}"));
    assert!(found.next().is_none(), "several spans {name}");
    span
}

#[tokio::test]
async fn a_purchase_is_one_trace_over_five_processes() {
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let (collector, url) = Collector::start().await;
    let exporting = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let store = start(&database, &stripe, &exporting).await;
    let mug = store.guest.sign_in(store::ADMIN_EMAIL).await.create_product("Mug", "19.99", 5).await;

    let (guest, trace_id) = traced(&store.guest);
    let body = json!({"name": "Lovelace", "email": "ada@shop.example", "password": PASSWORD});
    let session = guest.post("/api/auth/register", body).await.expect(201).json;
    let ada = guest.signed_in(session);
    ada.get("/api/products?q=secretive").await.expect(200);
    let order = ada.buy(mug, 2).await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    payments::pay(&stripe, &intent, Card::Visa).await;
    ada.wait_for_order(&order, "paid").await;
    ada.get("/api/orders/none").await;
    // At the end all spans are exported.
    store.stop().await;

    let spans = collector.spans();
    let trace = of_trace(&spans, &trace_id);
    for service in SERVICES {
        let has = |is_wanted: fn(&Exported) -> bool| {
            trace.iter().any(|span| span.service() == service && is_wanted(span))
        };
        assert!(has(|span| span.kind == SpanKind::Server && span.is_rpc()), "{service}");
        assert!(has(|span| span.kind == SpanKind::Client && span.is_sql()), "{service}");
    }
    assert_parents(&trace);

    let gateway = only(&trace, "POST /api/orders", SpanKind::Server);
    assert_eq!((gateway.service(), &*gateway.parent_id), ("bodega-gateway", CLIENT_SPAN));
    assert_eq!(gateway.get("http.response.status_code"), "201");
    let place_order = "bodega.order.v1.OrderService/PlaceOrder";
    let client = only(&trace, place_order, SpanKind::Client);
    let server = only(&trace, place_order, SpanKind::Server);
    assert_eq!((client.service(), &client.parent_id), ("bodega-gateway", &gateway.id));
    assert_eq!((server.service(), &server.parent_id), ("bodega-order", &client.id));
    let reserve = "bodega.catalog.v1.StockService/Reserve";
    assert_eq!(only(&trace, reserve, SpanKind::Client).parent_id, server.id);

    let is_stripe = |span: &&&Exported| span.get("url.full").ends_with("/v1/payment_intents");
    assert_eq!(trace.iter().find(is_stripe).expect("a request to Stripe").service(), "bodega-order");

    // What follows from the order is linked to it.
    let links_to =
        |span: &Exported, target: &Exported| span.links.contains(&(trace_id.clone(), target.id.clone()));
    let delivery = only(&trace, "deliver clear_cart", SpanKind::Consumer);
    assert!(links_to(delivery, server), "{delivery:?}");
    let is_webhook = |span: &&Exported| span.name == "apply payment event" && links_to(span, server);
    let webhook = spans.iter().find(is_webhook).expect("the webhook event is linked to the order");
    assert_ne!(webhook.trace_id, trace_id, "Stripe has a trace of its own");
    let webhook = of_trace(&spans, &webhook.trace_id);
    assert_eq!(only(&webhook, "POST /api/webhooks/stripe", SpanKind::Server).parent_id, "");
    assert!(webhook.iter().any(|span| span.is_sql() && span.service() == "bodega-order"));

    spans.iter().for_each(conventions::check);
    let secrets = ["Lovelace", "ada@", "secretive", "4242424242424242", PASSWORD, ada.token(), ada.id()];
    let of_payment = intent["clientSecret"].as_str().unwrap();
    for span in &spans {
        for secret in secrets.into_iter().chain([of_payment]) {
            assert!(!span.text.contains(secret), "{secret}: {span:?}");
        }
    }
}

/// Asserts that each span has a parent in the trace: a server span the client span of its caller, any other one a span of the
/// same process that began before it.
fn assert_parents(trace: &[&Exported]) {
    let by_id: BTreeMap<_, _> = trace.iter().map(|span| (&*span.id, *span)).collect();
    assert_eq!(by_id.len(), trace.len(), "each span has an id of its own");
    for span in trace.iter().filter(|span| span.parent_id != CLIENT_SPAN) {
        let parent = by_id.get(&*span.parent_id).unwrap_or_else(|| panic!("no parent of {span:?}"));
        if span.kind == SpanKind::Server {
            assert_eq!((parent.kind, &parent.name), (SpanKind::Client, &span.name));
            assert_ne!(parent.service(), span.service());
            assert_eq!(parent.get("rpc.response.status_code"), span.get("rpc.response.status_code"));
        } else {
            assert_eq!(parent.resource["service.instance.id"], span.resource["service.instance.id"]);
        }
        assert!(span.start <= span.end && parent.start <= span.start + 1_000_000, "{parent:?} {span:?}");
    }
}

#[tokio::test]
async fn a_combined_statement_is_in_the_trace_of_each_order() {
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let (collector, url) = Collector::start().await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100000"),
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let store = start(&database, &stripe, &variables).await;
    let mug = store.guest.sign_in(store::ADMIN_EMAIL).await.create_product("Mug", "19.99", 1_000).await;
    // One after the other: on a busy machine, passwords that wait for others to be hashed are rejected.
    let mut users = Vec::new();
    for number in 0..6 {
        let email = format!("user{number}@shop.example");
        let body = json!({"name": "A user", "email": email, "password": PASSWORD});
        let session = store.guest.post("/api/auth/register", body).await.expect(201).json;
        users.push(store.guest.clone().signed_in(session));
    }

    // Concurrent orders share statements, and each trace has them.
    let mut orders = BTreeSet::new();
    for _ in 0..10 {
        orders.extend(
            join_all(users.iter().map(async |user| {
                let (user, trace_id) = traced(user);
                user.add_to_cart(mug, 1).await.expect(200);
                user.place_order().await.expect(201);
                trace_id
            }))
            .await,
        );
    }
    store.stop().await;

    let spans = collector.spans();
    for trace_id in &orders {
        let trace = of_trace(&spans, trace_id);
        for table in ["INSERT orders.orders", "UPDATE orders.orders", "INSERT orders.outbox"] {
            let has_statement = trace.iter().any(|span| span.is_sql() && span.name.contains(table));
            assert!(has_statement, "{trace_id}: {table}");
        }
    }
    let ids: BTreeSet<_> = spans.iter().map(|span| (&*span.trace_id, &*span.id)).collect();
    let combined: Vec<_> =
        spans.iter().filter(|span| span.attributes.contains_key("bodega.combined_calls")).collect();
    assert!(!combined.is_empty(), "no statement of two orders in ten attempts of six");
    for span in combined {
        assert!(!span.links.is_empty(), "{span:?}");
        assert!(span.links.iter().all(|(trace, id)| ids.contains(&(&**trace, &**id))), "{span:?}");
    }
    for span in &spans {
        assert_eq!(span.service(), "shop");
        assert_eq!(span.resource["deployment.environment.name"], "test");
        conventions::check(span);
    }
}

#[tokio::test]
async fn a_request_that_is_rejected_by_load_shedding_has_a_span() {
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let (collector, url) = Collector::start().await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100000"),
        ("BODEGA_MAX_REQUESTS", "1"),
        ("BODEGA_REQUEST_TIMEOUT", "2"),
    ];
    let store = start(&database, &stripe, &variables).await;
    let mut responses = BTreeMap::<u16, usize>::new();
    let mut clients = 50;
    while !responses.contains_key(&503) {
        let body = json!({"login": store::ADMIN_EMAIL, "password": "wrong"});
        let login = || async { store.guest.post("/api/auth/login", body.clone()).await.status };
        for status in join_all((0..clients).map(|_| login())).await {
            *responses.entry(status).or_default() += 1;
        }
        clients *= 2;
        assert!(clients < 5_000, "{responses:?}");
    }
    store.stop().await;

    let spans = collector.spans();
    let logins: Vec<_> = spans.iter().filter(|span| span.name == "POST /api/auth/login").collect();
    for (status, count) in responses {
        let has_status = |span: &&&Exported| span.get("http.response.status_code") == status.to_string();
        assert_eq!(logins.iter().filter(has_status).count(), count, "{status}");
    }
    let parents: BTreeSet<_> = spans.iter().map(|span| &*span.parent_id).collect();
    assert!(logins.iter().any(|span| !parents.contains(&*span.id)), "rejected before any call");
    logins.into_iter().for_each(conventions::check);
}

#[tokio::test]
async fn a_collector_that_does_not_respond_disturbs_nothing() {
    let database = store::database().await;
    let stripe = payments::stripe().await;
    // Connections are accepted by the kernel, and never read.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "32"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
    ];
    let store = start(&database, &stripe, &variables).await;
    let admin = store.guest.sign_in(store::ADMIN_EMAIL).await;
    let mug = admin.create_product("Mug", "19.99", 5).await;
    // Far more spans than the queues have places.
    for _ in 0..200 {
        admin.get("/api/cart").await.expect(200);
    }
    let order = admin.buy(mug, 1).await;
    let intent = admin.start_payment(&order).await.expect(200).json;
    payments::pay(&stripe, &intent, Card::Visa).await;
    admin.wait_for_order(&order, "paid").await;
    store.stop().await;
    drop(listener);
}

#[tokio::test]
async fn exports_to_a_collector_with_tls() {
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let directory = TempDir::new("collector").unwrap();
    tls::issue_certificates(directory.path(), &["collector"]);
    let files = directory.path().join("collector");
    let (collector, url) = Collector::start_tls(&files).await;
    let authority = files.join("ca.pem");
    let mut variables =
        vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("SSL_CERT_FILE", authority.to_str().unwrap())];
    let trusting = start(&database, &stripe, &variables).await;
    purchase(&trusting, &stripe).await;
    trusting.stop().await;
    let services: BTreeSet<_> = collector.spans().iter().map(|span| span.service().to_owned()).collect();
    assert_eq!(services.len(), 5, "{services:?}");

    // Without the authority, nothing is exported.
    variables.pop();
    let received = collector.spans().len();
    let distrusting = start(&database, &stripe, &variables).await;
    distrusting.guest.get("/api/products").await.expect(200);
    distrusting.stop().await;
    assert_eq!(collector.spans().len(), received);
}
