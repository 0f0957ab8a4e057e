//! A proxy in front of a database whose connections can be frozen: they forward nothing, and stay open.

use std::path::PathBuf;

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
}

impl Proxy {
    /// A proxy for the server whose socket these options name.
    pub(super) async fn start(database: &PgConnectOptions) -> Self {
        let directory = database.get_socket().unwrap();
        let socket: PathBuf = directory.join(format!(".s.PGSQL.{}", database.get_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (freezes, frozen) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                let mut frozen = frozen.clone();
                frozen.mark_unchanged();
                tokio::spawn(forward(client_read, server_write, frozen.clone()));
                tokio::spawn(forward(server_read, client_write, frozen));
            }
        });
        Self { port, freezes }
    }

    pub(super) fn options(&self, database: &PgConnectOptions) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        let options = options.username(database.get_username());
        options.database(database.get_database().unwrap()).ssl_mode(sqlx::postgres::PgSslMode::Disable)
    }

    /// Freezes all open connections forever, but not new ones.
    pub(super) fn freeze(&self) {
        self.freezes.send_modify(|freezes| *freezes += 1);
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<u32>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = frozen.changed() => std::future::pending().await,
        };
        match read {
            Ok(read @ 1..) if to.write_all(&buffer[..read]).await.is_ok() => {}
            _ => return,
        }
    }
}
