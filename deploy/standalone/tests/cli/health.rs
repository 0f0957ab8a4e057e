//! `bodega health`.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
};

use crate::harness::{
    binary::{error_of, stdout_of},
    process,
};

fn health(address: &str) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
    command.arg("health").env("BODEGA_ADMIN_HTTP", address);
    command
}

/// Serves this response to every request for `/readyz`, and returns the address.
async fn responding(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn succeeds_only_if_the_process_is_ready() {
    let address = responding("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(stdout_of(&mut health(&address)).await, "");
    let port = address.rsplit(':').next().unwrap();
    assert_eq!(stdout_of(&mut health(&format!("0.0.0.0:{port}"))).await, "");

    let address = responding("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 8\r\n\r\ndraining").await;
    let (code, error) = error_of(&mut health(&address)).await;
    assert_eq!(code, 1);
    assert!(error.contains("503") && error.contains("draining"), "{error}");
}

#[tokio::test]
async fn fails_in_time_if_nothing_responds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let start = Instant::now();
    let (code, error) = error_of(&mut health(&address)).await;
    assert_eq!(code, 1);
    assert!(error.contains("no response") && start.elapsed() >= Duration::from_millis(800), "{error}");

    drop(silent);
    let (code, error) = error_of(&mut health(&address)).await;
    assert_eq!(code, 1);
    assert!(error.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn reads_no_other_setting_of_the_process() {
    let address = responding("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut command = health(&address);
    command.env("JWT_SECRET_KEY", "short").env("DATABASE_URL", "nowhere").env("BODEGA_LOG_FORMAT", "xml");
    stdout_of(&mut command).await;
}
