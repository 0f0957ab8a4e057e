//! An HTTP server that follows a script.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What the server does when it receives a request.
pub(super) enum Action {
    /// Sends this status, further headers and body.
    Response(u16, &'static str, &'static str),
    /// Closes the connection after the request was read.
    Disconnect,
    /// Sends nothing and keeps the connection open.
    Silence,
}

/// Runs until the end of the test.
pub(super) struct ScriptedServer {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedServer {
    /// Starts a server that takes one action per request, and repeats the last one.
    pub(super) async fn start(actions: Vec<Action>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let actions = Arc::new(actions);
        let received = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&actions), Arc::clone(&received)));
            }
        });
        Self { url, requests }
    }

    /// Returns the head and the body of each request so far, the head in lower case.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, actions: Arc<Vec<Action>>, requests: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read(&mut stream).await {
        let index = {
            let mut requests = requests.lock().unwrap();
            requests.push(request);
            requests.len().min(actions.len()) - 1
        };
        match &actions[index] {
            Action::Response(status, headers, body) => {
                let length = body.len();
                let response =
                    format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
                if stream.write_all(response.as_bytes()).await.is_err() {
                    return;
                }
            }
            Action::Disconnect => return,
            Action::Silence => std::future::pending().await,
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
