//! Retries: which calls are retried, and how often.

use std::time::Duration;

use bodega_proto::{
    cart::v1::{
        AddItemRequest, ClearOrderedRequest, GetSnapshotRequest, cart_service_client::CartServiceClient,
        checkout_service_client::CheckoutServiceClient,
    },
    identity::v1::{SetAvatarRequest, identity_service_client::IdentityServiceClient},
};
use bodega_runtime::transport::Transport;
use futures_util::future::join_all;
use tokio::{net::TcpListener, time::sleep};
use tonic::{Code, Status};

use crate::scripted_upstream::{Action, ScriptedUpstream, transport_to, unused_address, with_deadline_in};

/// A call without side effects.
async fn read(transport: Transport) -> Result<(), Status> {
    let mut client = CheckoutServiceClient::new(transport);
    client.get_snapshot(GetSnapshotRequest::default()).await.map(drop)
}

/// An idempotent call.
async fn clear(transport: Transport) -> Result<(), Status> {
    let mut client = CheckoutServiceClient::new(transport);
    client.clear_ordered(ClearOrderedRequest::default()).await.map(drop)
}

/// A call that is not idempotent.
async fn add(transport: Transport) -> Result<(), Status> {
    let mut client = CartServiceClient::new(transport);
    client.add_item(AddItemRequest::default()).await.map(drop)
}

/// A stream of messages, which cannot be sent again.
async fn upload(transport: Transport) -> Result<(), Status> {
    let mut client = IdentityServiceClient::new(transport);
    client.set_avatar(tokio_stream::once(SetAvatarRequest::default())).await.map(drop)
}

#[tokio::test]
async fn retries_idempotent_calls_after_a_lost_connection() {
    for broken in [Action::Close, Action::CloseWithinResponse] {
        let upstream = ScriptedUpstream::start([broken, broken, Action::Respond]).await;
        read(upstream.transport()).await.unwrap();
        assert_eq!(upstream.timeouts().len(), 3, "{broken:?}");
        let upstream = ScriptedUpstream::start([broken, Action::Respond]).await;
        clear(upstream.transport()).await.unwrap();
        assert_eq!(upstream.timeouts().len(), 2, "{broken:?}");
    }
}

#[tokio::test]
async fn does_not_retry_a_call_that_may_have_been_served() {
    for broken in [Action::Close, Action::CloseWithinResponse] {
        let upstream = ScriptedUpstream::start([broken, Action::Respond]).await;
        let error = add(upstream.transport()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error:?}");
        assert_eq!(upstream.timeouts().len(), 1, "{broken:?}");
    }
}

#[tokio::test]
async fn retries_any_unprocessed_call() {
    let upstream = ScriptedUpstream::start([Action::ResetStream, Action::ResetStream, Action::Respond]).await;
    add(upstream.transport()).await.unwrap();
    assert_eq!(upstream.timeouts().len(), 3);
}

#[tokio::test]
async fn retries_idempotent_calls_to_an_unavailable_upstream_three_times() {
    let upstream = ScriptedUpstream::start([Action::Unavailable(None), Action::Respond]).await;
    read(upstream.transport()).await.unwrap();

    let upstream = ScriptedUpstream::start([Action::Unavailable(None)]).await;
    let error = read(upstream.transport()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "busy"));
    assert_eq!(upstream.timeouts().len(), 4);
    assert_eq!(add(upstream.transport()).await.unwrap_err().message(), "busy");
    assert_eq!(upstream.timeouts().len(), 5, "a call that is not idempotent is not retried");
}

#[tokio::test]
async fn waits_for_the_retry_delay_that_the_upstream_asks_for() {
    let pause = Duration::from_millis(400);
    let upstream = ScriptedUpstream::start([Action::Unavailable(Some(pause)), Action::Respond]).await;
    with_deadline_in(Duration::from_secs(5)).scope(read(upstream.transport())).await.unwrap();
    let [first, second] = upstream.timeouts()[..] else { panic!("{:?}", upstream.timeouts()) };
    assert!(first - second >= pause, "{first:?} {second:?}");

    let upstream =
        ScriptedUpstream::start([Action::Unavailable(Some(Duration::from_secs(60))), Action::Respond]).await;
    read(upstream.transport()).await.unwrap_err();
    assert_eq!(upstream.timeouts().len(), 1, "the deadline leaves no time for the delay");
}

#[tokio::test]
async fn each_attempt_carries_the_remaining_time() {
    let upstream = ScriptedUpstream::start([Action::Unavailable(None), Action::Close, Action::Respond]).await;
    with_deadline_in(Duration::from_secs(5)).scope(read(upstream.transport())).await.unwrap();
    let timeouts = upstream.timeouts();
    assert_eq!(timeouts.len(), 3);
    assert!(
        timeouts[0] <= Duration::from_secs(5) && timeouts.is_sorted_by(|before, after| before > after),
        "{timeouts:?}"
    );
}

#[tokio::test]
async fn the_budget_limits_retries_to_an_unavailable_upstream() {
    let upstream = ScriptedUpstream::start([Action::Unavailable(None)]).await;
    let transport = upstream.transport();
    let calls = 500;
    let results = join_all(
        (0..calls).map(|_| with_deadline_in(Duration::from_secs(20)).scope(read(transport.clone()))),
    )
    .await;
    assert!(results.iter().all(Result::is_err));
    // One in five of the calls, and ten per second for ten seconds. Without a budget there would be 1,500.
    let retries = upstream.timeouts().len() - calls;
    assert!((100..=calls / 5 + 100).contains(&retries), "{retries}");
}

#[tokio::test]
async fn unsent_calls_wait_until_the_upstream_is_up() {
    let address = unused_address().await;
    let calls = tokio::spawn(with_deadline_in(Duration::from_secs(20)).scope(async move {
        let transport = transport_to(address);
        tokio::join!(read(transport.clone()), clear(transport.clone()), add(transport))
    }));
    sleep(Duration::from_millis(400)).await;
    let upstream = ScriptedUpstream::start_at(TcpListener::bind(address).await.unwrap(), [Action::Respond]);
    let (was_read, cleared, added) = calls.await.unwrap();
    was_read.unwrap();
    cleared.unwrap();
    added.unwrap();
    assert_eq!(upstream.timeouts().len(), 3);
}

/// Such connections come from a proxy whose server is down, and from the listen queue of a process that is about to exit.
#[tokio::test]
async fn sends_nothing_over_a_connection_without_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut call = tokio::spawn(with_deadline_in(Duration::from_secs(20)).scope(add(transport_to(address))));
    let close_three = async {
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        ScriptedUpstream::start_at(listener, [Action::Respond])
    };
    let upstream = tokio::select! {
        upstream = close_three => upstream,
        result = &mut call => panic!("{result:?}"),
    };
    call.await.unwrap().unwrap();
    assert_eq!(upstream.timeouts().len(), 1);
}

#[tokio::test]
async fn an_upstream_that_stays_down_delays_a_call_to_its_deadline_at_most() {
    let started = std::time::Instant::now();
    let error = with_deadline_in(Duration::from_millis(500))
        .scope(add(transport_to(unused_address().await)))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn does_not_retry_uploads() {
    let upstream = ScriptedUpstream::start([Action::ResetStream, Action::Respond]).await;
    upload(upstream.transport()).await.unwrap_err();
    assert_eq!(upstream.timeouts().len(), 1);
}

#[tokio::test]
async fn makes_no_call_after_the_deadline() {
    let upstream = ScriptedUpstream::start([Action::Respond]).await;
    let error = with_deadline_in(Duration::ZERO).scope(read(upstream.transport())).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(upstream.timeouts().is_empty());
}
