//! A database that takes what it is sent and says nothing: nothing waits for it for ever.

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

use crate::shop::{Shop, migrated, settings};

/// After so long the listener has noticed that nobody speaks to it, and has begun to try again.
const NOTICED: Duration = Duration::from_secs(13);

/// A way to a database that can be silenced. A connection that was silent once is so for good: nobody hangs up.
struct Way {
    silent: watch::Sender<bool>,
    port: u16,
}

impl Way {
    async fn to(database: &PgConnectOptions) -> Self {
        let socket = database.get_socket().unwrap().join(format!(".s.PGSQL.{}", database.get_port()));
        let (silent, listener) = (watch::Sender::new(false), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let port = listener.local_addr().unwrap().port();
        let silence = silent.subscribe();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let socket = socket.clone();
                let mut silence = silence.clone();
                let silenced = async move { drop(silence.wait_for(|silent| *silent).await) };
                tokio::spawn(async move {
                    let mut server = UnixStream::connect(socket).await.unwrap();
                    tokio::select! {
                        biased;
                        () = silenced => std::future::pending::<()>().await,
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                    }
                });
            }
        });
        Self { silent, port }
    }

    fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

fn tells_of(session: &str, message: &WatchRevocationsResponse) -> bool {
    message.session_ids.iter().any(|id| id == session)
}

#[tokio::test]
async fn revocations_go_on_after_a_silence() {
    let (database, pictures) = (Arc::new(migrated().await), Arc::new(TempDir::new("pictures").unwrap()));
    let near = Shop::on(database.clone(), pictures.clone(), settings()).await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let way = Way::to(&options).await;
    let far = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(way.port)
        .username(options.get_username())
        .database(options.get_database().unwrap());
    let shop = Shop::over(database, pictures, db::pool(far, 3, "identity"), settings()).await;
    let watch = || async { shop.tokens().watch_revocations(WatchRevocationsRequest {}).await };
    let session = near.register("ada").await;
    let id = near.session_id(&session).await;
    let mut stream = watch().await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();

    way.silence(true);
    timeout(Duration::from_secs(10), watch()).await.expect("a stream that cannot begin says so").unwrap_err();
    near.bearer(&session.access_token).await.logout(LogoutRequest {}).await.unwrap();
    sleep(NOTICED).await;
    way.silence(false);

    let told = async {
        while let Ok(Some(message)) = stream.message().await {
            if tells_of(&id, &message) {
                return;
            }
        }
        // Broken off where the news cannot be had: then a gateway asks again.
        while !watch_tells(&shop, &id).await {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(10), told).await.expect("the listener has come back");
}

/// Whether a new stream begins, and with this session.
async fn watch_tells(shop: &Shop, session: &str) -> bool {
    let Ok(stream) = shop.tokens().watch_revocations(WatchRevocationsRequest {}).await else { return false };
    let first = stream.into_inner().message().await;
    first.is_ok_and(|first| first.is_some_and(|message| tells_of(session, &message)))
}
