//! Which replicas get calls, and which connections and lookups that costs.

use std::time::Duration;

use bodega_proto::cart::v1::{GetSnapshotRequest, checkout_service_client::CheckoutServiceClient};
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;
use tonic::Code;

use super::{LOOKUP_INTERVAL, Name, assert_equal_shares, read, start, until, warm_up};
use crate::scripted_upstream::{Action, ScriptedUpstream, with_deadline_in};

/// Makes this many calls, 16 at a time. Returns the number of calls that each upstream has got.
async fn share(
    transport: &bodega_runtime::transport::Transport,
    upstreams: &[&ScriptedUpstream],
    calls: usize,
) -> Vec<usize> {
    let before: Vec<_> = upstreams.iter().map(|upstream| upstream.calls()).collect();
    let calls = stream::iter(0..calls).map(|_| read(transport.clone())).buffer_unordered(16);
    calls.for_each(|result| async move { result.unwrap() }).await;
    upstreams.iter().zip(before).map(|(upstream, before)| upstream.calls() - before).collect()
}

#[tokio::test]
async fn replicas_share_the_calls() {
    let [one, two, three] = start(Action::Respond).await;
    let transport = Name::of([&one, &two, &three]).transport();
    warm_up(&transport, [&one, &two, &three]).await;
    assert_equal_shares(&share(&transport, &[&one, &two, &three], 1_500).await);
    assert_eq!([&one, &two, &three].map(ScriptedUpstream::connections), [1; 3]);
}

#[tokio::test]
async fn replicas_share_calls_that_are_made_one_after_the_other() {
    let [one, two, three] = start(Action::Respond).await;
    let transport = Name::of([&one, &two, &three]).transport();
    warm_up(&transport, [&one, &two, &three]).await;
    let before = [&one, &two, &three].map(ScriptedUpstream::calls);
    for _ in 0..1_500 {
        read(transport.clone()).await.unwrap();
    }
    let after = [&one, &two, &three].map(ScriptedUpstream::calls);
    assert_equal_shares(&[after[0] - before[0], after[1] - before[1], after[2] - before[2]]);
}

#[tokio::test]
async fn a_new_replica_gets_its_share() {
    let [one, two, three] = start(Action::Respond).await;
    let name = Name::of([&one]);
    let transport = name.transport();
    // From one to two as well: a single replica is used without health checks.
    for (known, new) in [(vec![&one], &two), (vec![&one, &two], &three)] {
        warm_up(&transport, known.iter().copied()).await;
        let all: Vec<_> = known.into_iter().chain([new]).collect();
        name.set(all.iter().copied());
        warm_up(&transport, [new]).await;
        assert_equal_shares(&share(&transport, &all, 1_500).await);
    }
}

#[tokio::test]
async fn a_slow_replica_gets_fewer_calls() {
    let fast = ScriptedUpstream::start([Action::RespondAfter(Duration::from_millis(2))]).await;
    let slow = ScriptedUpstream::start([Action::RespondAfter(Duration::from_millis(100))]).await;
    let transport = Name::of([&fast, &slow]).transport();
    warm_up(&transport, [&fast, &slow]).await;
    let calls = share(&transport, &[&fast, &slow], 400).await;
    assert!(calls[1] * 3 < calls[0], "{calls:?}");
}

#[tokio::test]
async fn a_failed_or_empty_lookup_keeps_the_replicas() {
    let [one, two] = start(Action::Respond).await;
    let name = Name::of([&one, &two]);
    let transport = name.transport();
    warm_up(&transport, [&one, &two]).await;
    for outage in [None, Some(Vec::new())] {
        *name.addresses.lock().unwrap() = outage;
        let lookups = name.lookups();
        let started = std::time::Instant::now();
        while name.lookups() < lookups + 3 {
            assert!(started.elapsed() < Duration::from_secs(30), "the name is not looked up");
            read(transport.clone()).await.unwrap();
        }
        assert_equal_shares(&share(&transport, &[&one, &two], 1_000).await);
    }
}

#[tokio::test]
async fn a_name_that_resolves_late_delays_the_first_calls() {
    let [one, two] = start(Action::Respond).await;
    let name = Name::default();
    let transport = name.transport();
    let call = tokio::spawn(read(transport.clone()));
    until("no lookup", || name.lookups() > 1).await;
    name.set([&one, &two]);
    call.await.unwrap().unwrap();

    let never = Name::default().transport();
    assert_eq!(read(never).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_removed_replica_finishes_its_calls_and_gets_no_new_ones() {
    let script = [Action::Respond, Action::RespondAfter(Duration::from_secs(3)), Action::Respond];
    let (removed, [other]) = (ScriptedUpstream::start(script).await, start(Action::Respond).await);
    let name = Name::of([&removed]);
    let transport = name.transport();
    read(transport.clone()).await.unwrap();
    let mut client = CheckoutServiceClient::new(transport.clone());
    let open = tokio::spawn(
        with_deadline_in(Duration::from_secs(20))
            .scope(async move { client.get_snapshot(GetSnapshotRequest::default()).await.map(drop) }),
    );
    until("the call does not arrive", || removed.calls() == 2).await;

    name.set([&other]);
    warm_up(&transport, [&other]).await;
    let calls = removed.calls();
    for _ in 0..100 {
        read(transport.clone()).await.unwrap();
    }
    assert_eq!(removed.calls(), calls);
    assert!(!open.is_finished());
    open.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_single_replica_has_one_connection_and_no_health_checks() {
    let upstream = ScriptedUpstream::start([Action::Respond]).await;
    for transport in [upstream.transport(), Name::of([&upstream]).transport()] {
        let connections = upstream.connections();
        for _ in 0..200 {
            read(transport.clone()).await.unwrap();
        }
        sleep(3 * LOOKUP_INTERVAL).await;
        read(transport.clone()).await.unwrap();
        assert_eq!((upstream.connections() - connections, upstream.health_checks()), (1, 0));
    }
}

#[tokio::test]
async fn the_name_is_looked_up_only_while_there_are_calls() {
    let [one, two] = start(Action::Respond).await;
    let name = Name::of([&one, &two]);
    let transport = name.transport();
    warm_up(&transport, [&one, &two]).await;
    let started = tokio::time::Instant::now();
    let before = name.lookups();
    for _ in 0..1_000 {
        read(transport.clone()).await.unwrap();
    }
    let most = started.elapsed().as_millis() / (LOOKUP_INTERVAL.mul_f64(0.8).as_millis()) + 1;
    assert!(
        name.lookups() - before <= usize::try_from(most).unwrap(),
        "{} in {most}",
        name.lookups() - before
    );

    sleep(2 * LOOKUP_INTERVAL).await;
    let (lookups, health_checks) = (name.lookups(), one.health_checks() + two.health_checks());
    sleep(10 * LOOKUP_INTERVAL).await;
    assert_eq!((name.lookups(), one.health_checks() + two.health_checks()), (lookups, health_checks));
}

/// `localhost` may have an IPv6 address on which nothing listens.
#[tokio::test]
async fn localhost_works_with_a_listener_on_one_of_its_addresses() {
    let upstream = ScriptedUpstream::start([Action::Respond]).await;
    let uri = format!("http://localhost:{}", upstream.address.port()).parse().unwrap();
    let token = bodega_runtime::auth::ServiceToken::random();
    let transport = bodega_runtime::transport::Transport::remote("local", uri, &token);
    for _ in 0..50 {
        let mut client = CheckoutServiceClient::new(transport.clone());
        let call = client.get_snapshot(GetSnapshotRequest::default());
        with_deadline_in(Duration::from_secs(2)).scope(call).await.unwrap();
    }
}
