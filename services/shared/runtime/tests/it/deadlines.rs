//! How long a call may take, all of its neighbours included.

use std::time::Duration;

use bodega_runtime::context::CallContext;
use tokio::time::Instant;
use tonic::Code;

use crate::world::World;

fn within(time: Duration) -> CallContext {
    CallContext { deadline: Some(Instant::now() + time), ..CallContext::default() }
}

#[tokio::test]
async fn a_slow_service_is_given_up_at_the_deadline() {
    let world = World::start().await;
    let started = Instant::now();
    let late = world.call(within(Duration::from_millis(200)), "slow").await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(started.elapsed() < Duration::from_secs(30), "it did not wait for the service");
}

#[tokio::test]
async fn the_deadline_travels_to_the_last_service() {
    let world = World::start().await;
    let time = Duration::from_secs(3);
    let before = Instant::now();
    world.call(within(time), "").await.unwrap();
    for seen in [world.front.last(), world.back.last()] {
        // A millisecond may be lost to rounding on the wire, and never gained.
        let deadline = seen.context.deadline.unwrap();
        assert!(deadline <= Instant::now() + time && deadline >= before, "{deadline:?}");
        assert!(deadline.saturating_duration_since(before) <= time + Duration::from_millis(100));
    }
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_one() {
    let world = World::start().await;
    world.call(CallContext::default(), "").await.unwrap();
    assert!(world.back.last().context.deadline.is_some());
}
