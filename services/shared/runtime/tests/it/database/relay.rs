//! A way to a database, whose connections can fall silent: what is sent then gets nowhere, and nobody is told.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
    sync::watch,
};

pub(super) struct Relay {
    port: u16,
    /// Connections made before so many silences are silent.
    silences: watch::Sender<u32>,
}

impl Relay {
    /// To the server that listens on the socket these options name.
    pub(super) async fn start(database: &PgConnectOptions) -> Self {
        let directory = database.get_socket().unwrap();
        let socket: PathBuf = directory.join(format!(".s.PGSQL.{}", database.get_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silences, silenced) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&socket).await.unwrap();
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                let mut silenced = silenced.clone();
                silenced.mark_unchanged();
                tokio::spawn(pass_on(near_read, far_write, silenced.clone()));
                tokio::spawn(pass_on(far_read, near_write, silenced));
            }
        });
        Self { port, silences }
    }

    pub(super) fn through(&self, database: &PgConnectOptions) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        let options = options.username(database.get_username());
        options.database(database.get_database().unwrap()).ssl_mode(sqlx::postgres::PgSslMode::Disable)
    }

    /// Lets all open connections fall silent, for ever. New ones are not.
    pub(super) fn fall_silent(&self) {
        self.silences.send_modify(|silences| *silences += 1);
    }
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut silenced: watch::Receiver<u32>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = silenced.changed() => std::future::pending().await,
        };
        match read {
            Ok(read @ 1..) if to.write_all(&buffer[..read]).await.is_ok() => {}
            _ => return,
        }
    }
}
