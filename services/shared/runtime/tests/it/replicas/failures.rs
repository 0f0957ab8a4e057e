//! Replicas that are killed, frozen, cut off or unavailable.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bodega_runtime::transport::Transport;
use futures_util::future::join_all;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Name, add, read, start, until, warm_up};
use crate::scripted_upstream::{Action, ScriptedUpstream};

/// Concurrent callers.
const CALLERS: usize = 8;

/// Reads all the time while `fault` runs. Panics when a call fails. Returns the number of calls and the longest duration.
async fn read_during(transport: &Transport, fault: impl Future<Output = ()>) -> (usize, Duration) {
    let stop = CancellationToken::new();
    let calls = AtomicUsize::new(0);
    let caller = || async {
        let mut longest = Duration::ZERO;
        while !stop.is_cancelled() {
            let started = Instant::now();
            read(transport.clone()).await.unwrap();
            longest = longest.max(started.elapsed());
            calls.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(5)).await;
        }
        longest
    };
    let fault = async {
        fault.await;
        stop.cancel();
    };
    let (longest, ()) = tokio::join!(join_all((0..CALLERS).map(|_| caller())), fault);
    (calls.into_inner(), longest.into_iter().max().unwrap())
}

#[tokio::test]
async fn a_killed_replica_costs_no_call_that_may_be_retried() {
    let [one, two, three] = start(Action::RespondAfter(Duration::from_millis(3))).await;
    let transport = Name::of([&one, &two, &three]).transport();
    warm_up(&transport, [&one, &two, &three]).await;
    let (calls, _) = read_during(&transport, async {
        sleep(Duration::from_millis(200)).await;
        drop(three);
        sleep(Duration::from_secs(1)).await;
    })
    .await;
    assert!(calls > 100, "{calls}");
}

#[tokio::test]
async fn a_frozen_replica_costs_no_call_that_may_be_retried() {
    let [one, two, three] = start(Action::Respond).await;
    let transport = Name::of([&one, &two, &three]).transport();
    warm_up(&transport, [&one, &two, &three]).await;
    let (calls, longest) = read_during(&transport, async {
        sleep(Duration::from_millis(200)).await;
        three.freeze(true);
        // Beyond the end of the connection, which the keepalive closes.
        sleep(Duration::from_secs(4)).await;
        let before = three.calls();
        three.freeze(false);
        until("the replica gets no calls after it was frozen", || three.calls() > before + 10).await;
    })
    .await;
    assert!(calls > 500, "{calls}");
    assert!(longest >= Duration::from_millis(500), "no call has reached the frozen replica: {longest:?}");
}

/// The first contact: no connection has been open.
#[tokio::test]
async fn a_frozen_or_unreachable_replica_gets_no_call_at_all() {
    let [healthy, frozen] = start(Action::Respond).await;
    frozen.freeze(true);
    // Its queue of connections is full: the kernel drops further ones.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let unreachable = socket.listen(1).unwrap();
    let address = unreachable.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(connection) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(connection.unwrap());
    }

    let name = Name::of([&healthy, &frozen]);
    name.addresses.lock().unwrap().as_mut().unwrap().push(address);
    let transport = name.transport();
    for _ in 0..5 {
        // Also calls that must not be retried.
        for result in join_all((0..100).map(|_| add(transport.clone()))).await {
            result.unwrap();
        }
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!((healthy.calls(), frozen.calls()), (500, 0));
}

#[tokio::test]
async fn a_call_that_is_not_idempotent_is_not_sent_to_a_second_replica() {
    let [healthy, frozen] = start(Action::Respond).await;
    let transport = Name::of([&healthy, &frozen]).transport();
    warm_up(&transport, [&healthy, &frozen]).await;
    frozen.freeze(true);
    let before = healthy.calls();
    let results = join_all((0..20).map(|_| add(transport.clone()))).await;
    let failures = results.iter().filter(|result| result.is_err()).count();
    assert!(failures > 0, "no call has reached the frozen replica");
    assert_eq!(healthy.calls() - before + failures, 20);

    let closing = ScriptedUpstream::start([Action::Close]).await;
    let transport = Name::of([&healthy, &closing]).transport();
    let before = healthy.calls();
    let (mut failures, deadline) = (0, Instant::now() + Duration::from_secs(30));
    while failures == 0 {
        assert!(Instant::now() < deadline, "no call fails");
        failures += usize::from(add(transport.clone()).await.is_err());
    }
    assert_eq!(closing.calls(), failures);
    assert!(healthy.calls() >= before);
}

#[tokio::test]
async fn a_retry_goes_to_another_replica() {
    for failure in [Action::Unavailable(None), Action::Close, Action::ResetStream] {
        let (failing, [healthy]) = (ScriptedUpstream::start([failure]).await, start(Action::Respond).await);
        let transport = Name::of([&failing, &healthy]).transport();
        let deadline = Instant::now() + Duration::from_secs(30);
        while failing.calls() < 5 {
            let before = (failing.calls(), healthy.calls());
            read(transport.clone()).await.unwrap();
            assert!(failing.calls() - before.0 <= 1 && healthy.calls() - before.1 == 1, "{failure:?}");
            assert!(Instant::now() < deadline, "{failure:?} gets no calls");
            // Until the failing replica is used again.
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_lost_replica_is_looked_up_at_once() {
    let [old, new] = start(Action::Respond).await;
    let name = Name::of([&old]);
    // Without the loss, the next lookup would be in an hour.
    let transport = name.transport_with(Duration::from_secs(3600));
    read(transport.clone()).await.unwrap();
    name.set([&new]);
    drop(old);
    until_ok(&transport).await;
    assert!(new.calls() > 0);
}

async fn until_ok(transport: &Transport) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while read(transport.clone()).await.is_err() {
        assert!(Instant::now() < deadline, "no replica responds");
    }
}
