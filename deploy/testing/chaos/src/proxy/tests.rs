use std::time::{Duration, Instant};

use bodega_embedded_postgres::testing::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixListener},
    time::timeout,
};

use super::*;

/// Longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A connection is silent if nothing arrives for this long.
const SILENCE_TIMEOUT: Duration = Duration::from_millis(150);

/// Starts a server that sends its name and then echoes.
async fn echo_server(name: &'static str) -> Upstream {
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

async fn proxy_to_echo_server() -> Proxy {
    let proxy = Proxy::start().await.unwrap();
    proxy.set_upstream(echo_server("A").await);
    proxy
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Connects and receives the server's name.
async fn open(proxy: &Proxy) -> TcpStream {
    let mut connection = connect(proxy).await;
    assert_eq!(receive(&mut connection, 1).await, "A");
    connection
}

async fn receive(connection: &mut TcpStream, bytes: usize) -> String {
    let mut received = vec![0; bytes];
    timeout(TIMEOUT, connection.read_exact(&mut received)).await.expect("bytes arrive in time").unwrap();
    String::from_utf8(received).unwrap()
}

/// Whether nothing arrives, not even the end of the stream.
async fn is_silent(connection: &mut TcpStream) -> bool {
    timeout(SILENCE_TIMEOUT, connection.read_u8()).await.is_err()
}

/// Whether the connection ends before a byte arrives.
async fn is_closed(connection: &mut TcpStream) -> bool {
    timeout(TIMEOUT, connection.read_u8()).await.expect("the connection is not silent").is_err()
}

#[tokio::test]
async fn forwards_bytes_and_the_end_in_both_directions() {
    let proxy = proxy_to_echo_server().await;
    let mut connection = open(&proxy).await;
    connection.write_all(b"hello").await.unwrap();
    assert_eq!(receive(&mut connection, 5).await, "hello");
    connection.shutdown().await.unwrap();
    assert!(is_closed(&mut connection).await);
}

#[tokio::test]
async fn forwards_large_amounts_completely_and_in_order() {
    let proxy = proxy_to_echo_server().await;
    let (mut from, mut to) = open(&proxy).await.into_split();
    let sent: Vec<u8> = (0..16_000_000_u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
    let expected = sent.clone();
    tokio::spawn(async move { to.write_all(&sent).await });
    let mut received = vec![0; expected.len()];
    timeout(TIMEOUT, from.read_exact(&mut received)).await.unwrap().unwrap();
    assert!(received == expected);
}

#[tokio::test]
async fn forwards_a_thousand_connections() {
    let proxy = proxy_to_echo_server().await;
    let mut connections = Vec::new();
    for _ in 0..1_000 {
        connections.push(connect(&proxy).await);
    }
    for connection in &mut connections {
        connection.write_all(b"!").await.unwrap();
    }
    for connection in &mut connections {
        assert_eq!(receive(connection, 2).await, "A!");
    }
}

#[tokio::test]
async fn forwards_to_a_unix_socket() {
    let directory = TempDir::new("proxy").unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let proxy = Proxy::start().await.unwrap();
    proxy.set_upstream(Upstream::Unix(path));
    let mut connection = connect(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"A").await.unwrap();
    assert_eq!(receive(&mut connection, 1).await, "A");
}

#[tokio::test]
async fn delays_each_chunk_by_the_same_time() {
    let proxy = proxy_to_echo_server().await;
    let mut connection = open(&proxy).await;
    // Much longer than the pauses of a busy machine.
    let delay = Duration::from_secs(3);
    proxy.set_mode(Mode::Delay(delay));
    let started = Instant::now();
    for chunk in ["one", "two", "six"] {
        connection.write_all(chunk.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(receive(&mut connection, 9).await, "onetwosix");
    assert!(started.elapsed() >= delay, "{:?}", started.elapsed());
    assert!(started.elapsed() < 2 * delay, "one after another: {:?}", started.elapsed());
}

#[tokio::test]
async fn forwards_delayed_bytes_at_once_when_the_delay_ends() {
    let proxy = proxy_to_echo_server().await;
    let mut connection = open(&proxy).await;
    proxy.set_mode(Mode::Delay(Duration::from_secs(600)));
    connection.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut connection).await);
    proxy.set_mode(Mode::Forward);
    assert_eq!(receive(&mut connection, 4).await, "late");
}

#[tokio::test]
async fn does_not_delay_responses() {
    let proxy = proxy_to_echo_server().await;
    proxy.set_mode(Mode::Delay(Duration::from_secs(600)));
    open(&proxy).await;
}

#[tokio::test]
async fn a_black_hole_blocks_old_and_new_connections_until_the_mode_changes() {
    let proxy = proxy_to_echo_server().await;
    let mut old = open(&proxy).await;
    proxy.set_mode(Mode::BlackHole);
    let mut new = connect(&proxy).await;
    for connection in [&mut old, &mut new] {
        connection.write_all(b"hello").await.unwrap();
        assert!(is_silent(connection).await);
    }
    proxy.set_mode(Mode::Forward);
    assert_eq!(receive(&mut old, 5).await, "hello");
    assert_eq!(receive(&mut new, 6).await, "Ahello");
}

#[tokio::test]
async fn a_black_hole_hides_the_end_of_the_upstream_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start().await.unwrap();
    proxy.set_upstream(Upstream::Tcp(listener.local_addr().unwrap()));
    let mut connection = connect(&proxy).await;
    let (server, _) = listener.accept().await.unwrap();
    proxy.set_mode(Mode::BlackHole);
    sleep(SILENCE_TIMEOUT).await;
    drop(server);
    assert!(is_silent(&mut connection).await);
    proxy.set_mode(Mode::Forward);
    assert!(is_closed(&mut connection).await);
}

#[tokio::test]
async fn resets_new_connections_and_keeps_old_ones() {
    let proxy = proxy_to_echo_server().await;
    let mut old = open(&proxy).await;
    proxy.set_mode(Mode::Reset);
    assert!(is_closed(&mut connect(&proxy).await).await);
    old.write_all(b"hello").await.unwrap();
    assert_eq!(receive(&mut old, 5).await, "hello");
    proxy.set_mode(Mode::Forward);
    open(&proxy).await;
}

#[tokio::test]
async fn closes_open_connections_in_every_mode() {
    for mode in [Mode::Forward, Mode::Delay(Duration::from_secs(600)), Mode::BlackHole] {
        let proxy = proxy_to_echo_server().await;
        let mut connection = open(&proxy).await;
        proxy.set_mode(mode);
        connection.write_all(b"hello").await.unwrap();
        proxy.close_connections();
        let mut rest = Vec::new();
        let _ = timeout(TIMEOUT, connection.read_to_end(&mut rest)).await.expect("the connection is open");
        proxy.set_mode(Mode::Forward);
        open(&proxy).await;
    }
}

#[tokio::test]
async fn a_new_upstream_is_for_new_connections_only() {
    let proxy = proxy_to_echo_server().await;
    let mut old = open(&proxy).await;
    proxy.set_upstream(echo_server("B").await);
    assert_eq!(receive(&mut connect(&proxy).await, 1).await, "B");
    old.write_all(b"hello").await.unwrap();
    assert_eq!(receive(&mut old, 5).await, "hello");
}

#[tokio::test]
async fn closes_connections_without_a_listening_upstream() {
    let proxy = Proxy::start().await.unwrap();
    assert!(is_closed(&mut connect(&proxy).await).await, "no upstream");
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    proxy.set_upstream(Upstream::Tcp(gone));
    assert!(is_closed(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn closes_connections_and_the_port_on_drop() {
    let proxy = proxy_to_echo_server().await;
    let mut connection = open(&proxy).await;
    let address = proxy.address();
    drop(proxy);
    assert!(is_closed(&mut connection).await);
    let closed = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(TIMEOUT, closed).await.expect("the port is open");
}
