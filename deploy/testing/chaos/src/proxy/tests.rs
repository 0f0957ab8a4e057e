use std::time::{Duration, Instant};

use bodega_embedded_postgres::testing::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixListener},
    time::timeout,
};

use super::*;

/// Nothing takes so long, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for what is going to arrive to have arrived.
const MOMENT: Duration = Duration::from_millis(150);

/// A server that says its name, and then all that it is told.
async fn parrot(name: &'static str) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                to.write_all(name.as_bytes()).await?;
                tokio::io::copy(&mut from, &mut to).await?;
                to.shutdown().await
            });
        }
    });
    Upstream::Tcp(address)
}

async fn proxy_to_a_parrot() -> Proxy {
    let proxy = Proxy::start().await.unwrap();
    proxy.lead_to(parrot("A").await);
    proxy
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// A connection over which the name has come already.
async fn open(proxy: &Proxy) -> TcpStream {
    let mut connection = connect(proxy).await;
    assert_eq!(hear(&mut connection, 1).await, "A");
    connection
}

async fn hear(connection: &mut TcpStream, bytes: usize) -> String {
    let mut heard = vec![0; bytes];
    timeout(PATIENCE, connection.read_exact(&mut heard)).await.expect("it arrives").unwrap();
    String::from_utf8(heard).unwrap()
}

/// Whether nothing comes, not even the end.
async fn is_silent(connection: &mut TcpStream) -> bool {
    timeout(MOMENT, connection.read_u8()).await.is_err()
}

/// Whether it is closed, in whatever way, before anything comes.
async fn is_closed(connection: &mut TcpStream) -> bool {
    timeout(PATIENCE, connection.read_u8()).await.expect("it is not silent").is_err()
}

#[tokio::test]
async fn bytes_pass_both_ways_and_so_does_the_end() {
    let proxy = proxy_to_a_parrot().await;
    let mut connection = open(&proxy).await;
    connection.write_all(b"hello").await.unwrap();
    assert_eq!(hear(&mut connection, 5).await, "hello");
    connection.shutdown().await.unwrap();
    assert!(is_closed(&mut connection).await);
}

#[tokio::test]
async fn much_arrives_whole_and_in_order() {
    let proxy = proxy_to_a_parrot().await;
    let (mut from, mut to) = open(&proxy).await.into_split();
    let sent: Vec<u8> = (0..16_000_000_u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
    let expected = sent.clone();
    tokio::spawn(async move { to.write_all(&sent).await });
    let mut heard = vec![0; expected.len()];
    timeout(PATIENCE, from.read_exact(&mut heard)).await.unwrap().unwrap();
    assert!(heard == expected);
}

#[tokio::test]
async fn there_may_be_a_thousand_connections() {
    let proxy = proxy_to_a_parrot().await;
    let mut connections = Vec::new();
    for _ in 0..1_000 {
        connections.push(connect(&proxy).await);
    }
    for connection in &mut connections {
        connection.write_all(b"!").await.unwrap();
    }
    for connection in &mut connections {
        assert_eq!(hear(connection, 2).await, "A!");
    }
}

#[tokio::test]
async fn a_unix_socket_is_led_to_as_well() {
    let directory = TempDir::new("proxy").unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let proxy = Proxy::start().await.unwrap();
    proxy.lead_to(Upstream::Unix(path));
    let mut connection = connect(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"A").await.unwrap();
    assert_eq!(hear(&mut connection, 1).await, "A");
}

#[tokio::test]
async fn what_is_sent_is_late_and_each_chunk_by_the_same_time() {
    let proxy = proxy_to_a_parrot().await;
    let mut connection = open(&proxy).await;
    let delay = Duration::from_secs(1);
    proxy.set(Mode::Delay(delay));
    let begun = Instant::now();
    for chunk in ["one", "two", "six"] {
        connection.write_all(chunk.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(hear(&mut connection, 9).await, "onetwosix");
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    assert!(begun.elapsed() < 2 * delay, "one after another: {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_late_arrives_at_once_when_it_passes_again() {
    let proxy = proxy_to_a_parrot().await;
    let mut connection = open(&proxy).await;
    proxy.set(Mode::Delay(Duration::from_secs(600)));
    connection.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut connection).await);
    proxy.set(Mode::Pass);
    assert_eq!(hear(&mut connection, 4).await, "late");
}

#[tokio::test]
async fn answers_are_not_late() {
    let proxy = proxy_to_a_parrot().await;
    proxy.set(Mode::Delay(Duration::from_secs(600)));
    open(&proxy).await;
}

#[tokio::test]
async fn a_black_hole_swallows_old_and_new_connections_until_it_passes_again() {
    let proxy = proxy_to_a_parrot().await;
    let mut old = open(&proxy).await;
    proxy.set(Mode::BlackHole);
    let mut new = connect(&proxy).await;
    for connection in [&mut old, &mut new] {
        connection.write_all(b"hello").await.unwrap();
        assert!(is_silent(connection).await);
    }
    proxy.set(Mode::Pass);
    assert_eq!(hear(&mut old, 5).await, "hello");
    assert_eq!(hear(&mut new, 6).await, "Ahello");
}

#[tokio::test]
async fn a_black_hole_hides_that_the_other_end_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start().await.unwrap();
    proxy.lead_to(Upstream::Tcp(listener.local_addr().unwrap()));
    let mut connection = connect(&proxy).await;
    let (server, _) = listener.accept().await.unwrap();
    proxy.set(Mode::BlackHole);
    sleep(MOMENT).await;
    drop(server);
    assert!(is_silent(&mut connection).await);
    proxy.set(Mode::Pass);
    assert!(is_closed(&mut connection).await);
}

#[tokio::test]
async fn refusing_closes_new_connections_and_no_old_ones() {
    let proxy = proxy_to_a_parrot().await;
    let mut old = open(&proxy).await;
    proxy.set(Mode::Refuse);
    assert!(is_closed(&mut connect(&proxy).await).await);
    old.write_all(b"hello").await.unwrap();
    assert_eq!(hear(&mut old, 5).await, "hello");
    proxy.set(Mode::Pass);
    open(&proxy).await;
}

#[tokio::test]
async fn cutting_closes_all_that_is_open_in_every_mode() {
    for mode in [Mode::Pass, Mode::Delay(Duration::from_secs(600)), Mode::BlackHole] {
        let proxy = proxy_to_a_parrot().await;
        let mut connection = open(&proxy).await;
        proxy.set(mode);
        connection.write_all(b"hello").await.unwrap();
        proxy.cut();
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, connection.read_to_end(&mut rest)).await.expect("it is closed");
        proxy.set(Mode::Pass);
        open(&proxy).await;
    }
}

#[tokio::test]
async fn new_connections_go_where_it_leads_now_and_old_ones_stay() {
    let proxy = proxy_to_a_parrot().await;
    let mut old = open(&proxy).await;
    proxy.lead_to(parrot("B").await);
    assert_eq!(hear(&mut connect(&proxy).await, 1).await, "B");
    old.write_all(b"hello").await.unwrap();
    assert_eq!(hear(&mut old, 5).await, "hello");
}

#[tokio::test]
async fn where_nobody_listens_connections_are_closed() {
    let proxy = Proxy::start().await.unwrap();
    assert!(is_closed(&mut connect(&proxy).await).await, "it leads nowhere");
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    proxy.lead_to(Upstream::Tcp(gone));
    assert!(is_closed(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn nothing_is_open_once_it_is_dropped() {
    let proxy = proxy_to_a_parrot().await;
    let mut connection = open(&proxy).await;
    let address = proxy.address();
    drop(proxy);
    assert!(is_closed(&mut connection).await);
    let gone = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(PATIENCE, gone).await.expect("nobody listens any more");
}
