//! Which calls are made again, and how often.

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

use crate::neighbour::{Act, Neighbour, nobody, to, within};

/// Has no side effects.
async fn look(transport: Transport) -> Result<(), Status> {
    let mut client = CheckoutServiceClient::new(transport);
    client.get_snapshot(GetSnapshotRequest::default()).await.map(drop)
}

/// May be repeated.
async fn clear(transport: Transport) -> Result<(), Status> {
    let mut client = CheckoutServiceClient::new(transport);
    client.clear_ordered(ClearOrderedRequest::default()).await.map(drop)
}

/// Must not be.
async fn add(transport: Transport) -> Result<(), Status> {
    let mut client = CartServiceClient::new(transport);
    client.add_item(AddItemRequest::default()).await.map(drop)
}

/// A stream to the neighbour, which is not kept.
async fn upload(transport: Transport) -> Result<(), Status> {
    let mut client = IdentityServiceClient::new(transport);
    client.set_avatar(tokio_stream::once(SetAvatarRequest::default())).await.map(drop)
}

#[tokio::test]
async fn what_may_be_repeated_outlives_a_broken_connection() {
    for broken in [Act::Close, Act::BreakOff] {
        let neighbour = Neighbour::start([broken, broken, Act::Answer]).await;
        look(neighbour.transport()).await.unwrap();
        assert_eq!(neighbour.seen().len(), 3, "{broken:?}");
        let neighbour = Neighbour::start([broken, Act::Answer]).await;
        clear(neighbour.transport()).await.unwrap();
        assert_eq!(neighbour.seen().len(), 2, "{broken:?}");
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_served_is_not_repeated() {
    for broken in [Act::Close, Act::BreakOff] {
        let neighbour = Neighbour::start([broken, Act::Answer]).await;
        let failure = add(neighbour.transport()).await.unwrap_err();
        assert_eq!(failure.code(), Code::Unavailable, "{failure:?}");
        assert_eq!(neighbour.seen().len(), 1, "{broken:?}");
    }
}

#[tokio::test]
async fn what_a_neighbour_did_not_look_at_is_sent_again_whatever_it_is() {
    let neighbour = Neighbour::start([Act::Refuse, Act::Refuse, Act::Answer]).await;
    add(neighbour.transport()).await.unwrap();
    assert_eq!(neighbour.seen().len(), 3);
}

#[tokio::test]
async fn a_neighbour_that_is_unavailable_is_asked_again_a_few_times() {
    let neighbour = Neighbour::start([Act::Busy(None), Act::Answer]).await;
    look(neighbour.transport()).await.unwrap();

    let neighbour = Neighbour::start([Act::Busy(None)]).await;
    let failure = look(neighbour.transport()).await.unwrap_err();
    assert_eq!((failure.code(), failure.message()), (Code::Unavailable, "busy"));
    assert_eq!(neighbour.seen().len(), 4);
    assert_eq!(add(neighbour.transport()).await.unwrap_err().message(), "busy");
    assert_eq!(neighbour.seen().len(), 5, "what must not be repeated is not");
}

#[tokio::test]
async fn a_neighbour_is_left_alone_for_as_long_as_it_wants() {
    let pause = Duration::from_millis(400);
    let neighbour = Neighbour::start([Act::Busy(Some(pause)), Act::Answer]).await;
    within(Duration::from_secs(5)).scope(look(neighbour.transport())).await.unwrap();
    let [first, second] = neighbour.seen()[..] else { panic!("{:?}", neighbour.seen()) };
    assert!(first - second >= pause, "{first:?} {second:?}");

    let neighbour = Neighbour::start([Act::Busy(Some(Duration::from_secs(60))), Act::Answer]).await;
    look(neighbour.transport()).await.unwrap_err();
    assert_eq!(neighbour.seen().len(), 1, "there is no time to wait for it");
}

#[tokio::test]
async fn each_attempt_is_told_what_is_left() {
    let neighbour = Neighbour::start([Act::Busy(None), Act::Close, Act::Answer]).await;
    within(Duration::from_secs(5)).scope(look(neighbour.transport())).await.unwrap();
    let seen = neighbour.seen();
    assert_eq!(seen.len(), 3);
    assert!(
        seen[0] <= Duration::from_secs(5) && seen.is_sorted_by(|before, after| before > after),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_neighbour_that_is_down_gets_no_storm() {
    let neighbour = Neighbour::start([Act::Busy(None)]).await;
    let transport = neighbour.transport();
    let calls = 500;
    let answers =
        join_all((0..calls).map(|_| within(Duration::from_secs(20)).scope(look(transport.clone())))).await;
    assert!(answers.iter().all(Result::is_err));
    // One in five of them, and ten a second for ten seconds; without a budget it were three times as many.
    let repeated = neighbour.seen().len() - calls;
    assert!((100..=calls / 5 + 100).contains(&repeated), "{repeated}");
}

#[tokio::test]
async fn what_could_not_be_sent_waits_for_the_neighbour_to_come_up() {
    let address = nobody().await;
    let calls = tokio::spawn(within(Duration::from_secs(20)).scope(async move {
        let way = to(address);
        tokio::join!(look(way.clone()), clear(way.clone()), add(way))
    }));
    sleep(Duration::from_millis(400)).await;
    let neighbour = Neighbour::start_at(TcpListener::bind(address).await.unwrap(), [Act::Answer]);
    let (looked, cleared, added) = calls.await.unwrap();
    looked.unwrap();
    cleared.unwrap();
    added.unwrap();
    assert_eq!(neighbour.seen().len(), 3);
}

/// As behind a proxy whose neighbour is away, and in the queue of a process that is about to exit.
#[tokio::test]
async fn a_connection_with_nobody_behind_takes_no_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut call = tokio::spawn(within(Duration::from_secs(20)).scope(add(to(address))));
    let refuse = async {
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        Neighbour::start_at(listener, [Act::Answer])
    };
    let neighbour = tokio::select! {
        neighbour = refuse => neighbour,
        answer = &mut call => panic!("{answer:?}"),
    };
    call.await.unwrap().unwrap();
    assert_eq!(neighbour.seen().len(), 1);
}

#[tokio::test]
async fn a_neighbour_that_stays_away_costs_no_more_than_the_deadline() {
    let started = std::time::Instant::now();
    let failure = within(Duration::from_millis(500)).scope(add(to(nobody().await))).await.unwrap_err();
    assert_eq!(failure.code(), Code::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn uploads_are_not_repeated() {
    let neighbour = Neighbour::start([Act::Refuse, Act::Answer]).await;
    upload(neighbour.transport()).await.unwrap_err();
    assert_eq!(neighbour.seen().len(), 1);
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_made() {
    let neighbour = Neighbour::start([Act::Answer]).await;
    let late = within(Duration::ZERO).scope(look(neighbour.transport())).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(neighbour.seen().is_empty());
}
