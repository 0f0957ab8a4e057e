//! Deadlines of calls, and of the calls that they make in turn.

use std::time::Duration;

use bodega_proto::cart::v1::{GetSnapshotRequest, checkout_service_client::CheckoutServiceClient};
use bodega_runtime::context::CallContext;
use tokio::time::Instant;
use tonic::Code;

use crate::{
    harness::Harness,
    scripted_upstream::{Action, ScriptedUpstream, with_deadline_in},
};

#[tokio::test]
async fn a_slow_call_ends_at_its_deadline() {
    let harness = Harness::start().await;
    let started = Instant::now();
    let error = harness.call(with_deadline_in(Duration::from_millis(200)), "slow").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(started.elapsed() < Duration::from_secs(30), "the caller did not wait for the service");
}

#[tokio::test]
async fn the_deadline_is_passed_on_to_every_service() {
    let harness = Harness::start().await;
    let time = Duration::from_secs(3);
    let before = Instant::now();
    harness.call(with_deadline_in(time), "").await.unwrap();
    for call in [harness.front.last(), harness.back.last()] {
        // Rounding on the wire may shorten it by a millisecond, never lengthen it.
        let deadline = call.context.deadline.unwrap();
        assert!(deadline <= Instant::now() + time && deadline >= before, "{deadline:?}");
        assert!(deadline.saturating_duration_since(before) <= time + Duration::from_millis(100));
    }
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_the_default() {
    let harness = Harness::start().await;
    harness.call(CallContext::default(), "").await.unwrap();
    assert!(harness.back.last().context.deadline.is_some());
}

#[tokio::test]
async fn a_call_that_the_server_of_an_upstream_cancels_has_exceeded_its_deadline() {
    let upstream = ScriptedUpstream::start([Action::Cancelled, Action::Respond]).await;
    let mut client = CheckoutServiceClient::new(upstream.transport());
    let error = client.get_snapshot(GetSnapshotRequest::default()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::DeadlineExceeded, "scripted timed out"));
    assert_eq!(upstream.calls(), 1, "a call beyond its deadline is not retried");
}
