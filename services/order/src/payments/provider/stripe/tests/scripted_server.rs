//! A listener that gives answers made beforehand, whatever it is asked.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// An answer, or what comes in its place.
pub(super) enum Reply {
    /// Status, further headers, body.
    Answer(u16, &'static str, &'static str),
    /// The connection breaks off after the request was read.
    Lost,
    /// Nothing, with the connection kept open.
    Silence,
}

/// Listens for as long as the test runs.
pub(super) struct Canned {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Gives these answers, one a request, the last one again and again.
    pub(super) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let replies = Arc::new(replies);
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&replies), Arc::clone(&seen)));
            }
        });
        Self { url, asked }
    }

    /// What it was asked so far: head and body of each request, the head in lower case.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, replies: Arc<Vec<Reply>>, asked: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read(&mut stream).await {
        let turn = {
            let mut asked = asked.lock().unwrap();
            asked.push(request);
            asked.len().min(replies.len()) - 1
        };
        match &replies[turn] {
            Reply::Answer(status, headers, body) => {
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} Canned\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Lost => return,
            Reply::Silence => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(format!("{head}\n\n{body}"));
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}
