//! A proxy in front of a database. It records the types of the messages to the server, and its connections can be frozen:
//! they forward nothing, and stay open.

use std::{
    mem,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
    sync::watch,
};

pub(super) struct Proxy {
    port: u16,
    /// Counts the freezes. Connections that were opened before one are frozen.
    freezes: watch::Sender<u32>,
    messages: Arc<Mutex<String>>,
}

impl Proxy {
    /// A proxy for the server whose socket these options name.
    pub(super) async fn start(database: &PgConnectOptions) -> Self {
        let directory = database.get_socket().unwrap();
        let socket: PathBuf = directory.join(format!(".s.PGSQL.{}", database.get_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (freezes, frozen) = watch::channel(0);
        let messages = Arc::default();
        let sent = Arc::clone(&messages);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                let mut frozen = frozen.clone();
                frozen.mark_unchanged();
                let mut recorder =
                    Recorder { sent: Arc::clone(&sent), partial: Vec::new(), has_started: false };
                let record = move |bytes: &[u8]| recorder.record(bytes);
                tokio::spawn(forward(client_read, server_write, frozen.clone(), record));
                tokio::spawn(forward(server_read, client_write, frozen, |_| {}));
            }
        });
        Self { port, freezes, messages }
    }

    pub(super) fn options(&self, database: &PgConnectOptions) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        let options = options.username(database.get_username());
        options.database(database.get_database().unwrap()).ssl_mode(sqlx::postgres::PgSslMode::Disable)
    }

    /// Returns the types of the messages that clients have sent since the last call, one letter each.
    pub(super) fn take_messages(&self) -> String {
        mem::take(&mut *self.messages.lock().unwrap())
    }

    /// Freezes all open connections forever, but not new ones.
    pub(super) fn freeze(&self) {
        self.freezes.send_modify(|freezes| *freezes += 1);
    }
}

/// Splits the bytes of a client into messages.
struct Recorder {
    sent: Arc<Mutex<String>>,
    partial: Vec<u8>,
    /// The first message has no type.
    has_started: bool,
}

impl Recorder {
    fn record(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        loop {
            let type_length = usize::from(self.has_started);
            let Some(length) = self.partial.get(type_length..type_length + 4) else { return };
            let end = type_length + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.partial.len() < end {
                return;
            }
            if self.has_started {
                self.sent.lock().unwrap().push(char::from(self.partial[0]));
            }
            self.has_started = true;
            self.partial.drain(..end);
        }
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<u32>,
    mut record: impl FnMut(&[u8]),
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = frozen.changed() => std::future::pending().await,
        };
        match read {
            Ok(read @ 1..) => {
                record(&buffer[..read]);
                if to.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}
