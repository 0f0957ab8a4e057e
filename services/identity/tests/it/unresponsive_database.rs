//! A database that accepts data and does not respond.

use std::{sync::Arc, time::Duration};

use bodega_embedded_postgres::testing::TempDir;
use bodega_proto::identity::v1::{LogoutRequest, WatchRevocationsRequest, WatchRevocationsResponse};
use bodega_runtime::database as db;
use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    sync::watch,
    time::{sleep, timeout},
};

use crate::test_app::{TestApp, migrated, settings};

/// Time in which the listener detects the broken connection and starts to reconnect.
const DETECTION_TIME: Duration = Duration::from_secs(13);

/// A proxy that can stop forwarding. A connection that was open then stays silent and is never closed.
struct Proxy {
    blocked: watch::Sender<bool>,
    port: u16,
}

impl Proxy {
    async fn start(database: &PgConnectOptions) -> Self {
        let socket = database.get_socket().unwrap().join(format!(".s.PGSQL.{}", database.get_port()));
        let (blocked, listener) =
            (watch::Sender::new(false), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let port = listener.local_addr().unwrap().port();
        let blocked_receiver = blocked.subscribe();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let socket = socket.clone();
                let mut blocked_receiver = blocked_receiver.clone();
                let is_blocked = async move { drop(blocked_receiver.wait_for(|blocked| *blocked).await) };
                tokio::spawn(async move {
                    let mut server = UnixStream::connect(socket).await.unwrap();
                    tokio::select! {
                        biased;
                        () = is_blocked => std::future::pending::<()>().await,
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                    }
                });
            }
        });
        Self { blocked, port }
    }

    fn block(&self, blocked: bool) {
        self.blocked.send_replace(blocked);
    }
}

fn contains(session: &str, message: &WatchRevocationsResponse) -> bool {
    message.session_ids.iter().any(|id| id == session)
}

#[tokio::test]
async fn revocations_resume_when_the_database_responds_again() {
    let (database, media_dir) = (Arc::new(migrated().await), Arc::new(TempDir::new("media").unwrap()));
    let direct = TestApp::start_on(database.clone(), media_dir.clone(), settings()).await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let proxy = Proxy::start(&options).await;
    let proxied = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(proxy.port)
        .username(options.get_username())
        .database(options.get_database().unwrap());
    let app =
        TestApp::start_with_pool(database, media_dir, db::pool(proxied, 3, "identity"), settings()).await;
    let watch = || async { app.tokens().watch_revocations(WatchRevocationsRequest {}).await };
    let session = direct.register("ada").await;
    let id = direct.session_id(&session).await;
    let mut stream = watch().await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();

    proxy.block(true);
    timeout(Duration::from_secs(10), watch()).await.expect("opening a stream fails in time").unwrap_err();
    direct.bearer(&session.access_token).await.logout(LogoutRequest {}).await.unwrap();
    sleep(DETECTION_TIME).await;
    proxy.block(false);

    let resumed = async {
        while let Ok(Some(message)) = stream.message().await {
            if contains(&id, &message) {
                return;
            }
        }
        // The stream has failed: a gateway opens a new one then.
        while !new_stream_contains(&app, &id).await {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(10), resumed).await.expect("the listener has reconnected");
}

/// Returns whether a new stream can be opened and its first message contains the session.
async fn new_stream_contains(app: &TestApp, session: &str) -> bool {
    let Ok(stream) = app.tokens().watch_revocations(WatchRevocationsRequest {}).await else { return false };
    let first = stream.into_inner().message().await;
    first.is_ok_and(|first| first.is_some_and(|message| contains(session, &message)))
}
