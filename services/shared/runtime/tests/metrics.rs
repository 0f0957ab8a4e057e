//! The metrics of calls. A test binary of its own, because a process has one recorder.

use std::time::Duration;

use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    context::CallContext,
    database::Pool,
    metrics::Recorder,
    server::{AuthLayer, Service},
    transport::Transport,
};
use http::{Method, Request};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::ServiceExt as _;

fn count_series(recorder: &Recorder) -> usize {
    recorder.render().lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

#[tokio::test]
async fn unknown_methods_create_no_time_series() {
    let recorder = Recorder::install().unwrap();
    // Nothing listens there: the service is not healthy, which does not matter.
    let options = sqlx::postgres::PgConnectOptions::new().host("127.0.0.1").port(1);
    let db = Pool::new(options.application_name("tests"), 1, Duration::from_millis(50));
    let service = Service::new("tests", Routes::default(), db, CancellationToken::new()).await;
    let auth = AuthLayer {
        service_token: ServiceToken::random(),
        verifier: Verifier::new(Transport::unauthenticated(service.routes())),
    };
    let transport = service.transport(&auth);
    let call = async |number: u32| {
        let path = match number % 3 {
            0 => format!("/grpc.health.v1.Health/M{number}"),
            1 => format!("/bodega.cart.v1.CartService/M{number}"),
            _ => format!("/s{number}/m{number}"),
        };
        let method = if number.is_multiple_of(2) {
            Method::POST
        } else {
            Method::from_bytes(format!("M{number}").as_bytes()).unwrap()
        };
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let deadline =
            Instant::now() + if number.is_multiple_of(5) { Duration::ZERO } else { Duration::from_secs(5) };
        let context = CallContext { deadline: Some(deadline), ..CallContext::default() };
        context.scope(transport.clone().oneshot(request)).await.unwrap();
    };
    for number in 0..300 {
        call(number).await;
    }
    let before = count_series(&recorder);
    for number in 300..10_300 {
        call(number).await;
    }
    assert_eq!(count_series(&recorder), before);
    let text = recorder.render();
    for series in ["rpc_server_duration_seconds_count", "rpc_client_duration_seconds_count"] {
        assert!(text.contains(&format!("{series}{{service=\"tests\",method=\"unknown\"")), "{text}");
    }
    service.stop().await;
}
