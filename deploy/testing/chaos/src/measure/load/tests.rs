use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{virtual_user::Account, *};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Starts a load on a server that responds after `latency`.
async fn start(users: usize, latency: Duration, pace: Pace) -> Load {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority: Arc<str> = listener.local_addr().unwrap().to_string().into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(respond(stream, latency));
        }
    });
    let account = |number| Account {
        number,
        email: "ada@load.example".into(),
        password: "secret".into(),
        authorization: "Bearer a.b.c".into(),
        products: [7].into(),
    };
    let user = |number| VirtualUser::new(&authority, account(number), &[Operation::Cart]);
    Load::start((0..users).map(user).collect(), pace)
}

async fn respond(mut stream: TcpStream, latency: Duration) {
    // A request fits into the buffer.
    while stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {
        sleep(latency).await;
        stream.write_all(OK).await.unwrap();
    }
}

#[test]
fn each_request_is_due_once_however_late_the_tick_is() {
    let mut timetable = Timetable { rate: 150.0, issued: 0 };
    let due = [0, 6, 7, 7, 20, 1_000].map(|at| timetable.due(Duration::from_millis(at)));
    assert_eq!(due, [0, 0, 1, 0, 2, 147]);
}

#[tokio::test]
async fn keeps_its_rate() {
    let load = start(4, Duration::ZERO, Pace::PerSecond(100.0)).await;
    // Long, so that a late tick on a busy machine is a small share of it.
    sleep(Duration::from_secs(4)).await;
    let recording = load.stop().await.unwrap();
    assert!(recording.samples.iter().all(Sample::is_success));
    let due = recording.samples.len() as u64 + recording.skipped;
    let expected = (recording.duration.as_secs_f64() * 100.0) as u64;
    assert!(due <= expected + 1 && due >= expected * 3 / 4, "{due} of {expected}");
}

#[tokio::test]
async fn does_not_queue_requests_for_a_slow_store() {
    let load = start(3, Duration::from_secs(3), Pace::PerSecond(100.0)).await;
    sleep(Duration::from_millis(600)).await;
    let recording = load.stop().await.unwrap();
    assert_eq!(recording.samples.len(), 3, "one of each user");
    assert!(recording.skipped >= 20, "{}", recording.skipped);
}

#[tokio::test]
async fn an_unlimited_user_has_one_request_at_a_time() {
    let latency = Duration::from_millis(50);
    let load = start(2, latency, Pace::Unlimited).await;
    sleep(Duration::from_secs(1)).await;
    let recording = load.stop().await.unwrap();
    let most = 2 * (recording.duration.as_millis() / latency.as_millis() + 1);
    assert!((4..=most).contains(&(recording.samples.len() as u128)), "{}", recording.samples.len());
    assert_eq!(recording.skipped, 0);
}
