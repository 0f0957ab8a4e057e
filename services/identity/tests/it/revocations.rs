//! Telling every process which sessions have ended.

use std::{collections::BTreeSet, time::Duration};

use bodega_proto::identity::v1::{
    DeleteUserRequest, EndSessionRequest, LogoutAllRequest, LogoutRequest, Role, Session, UpdateUserRequest,
    WatchRevocationsRequest, WatchRevocationsResponse,
};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::time::timeout;
use tonic::Streaming;

use crate::shop::{PASSWORD, Shop, user};

const A_SECOND: Duration = Duration::from_secs(1);

struct Watch(Streaming<WatchRevocationsResponse>);

impl Watch {
    async fn over(shop: &Shop) -> Self {
        let answer = shop.tokens().watch_revocations(WatchRevocationsRequest {}).await;
        Self(answer.unwrap().into_inner())
    }

    async fn next(&mut self) -> BTreeSet<String> {
        let message = timeout(Duration::from_secs(5), self.0.message()).await.expect("silence");
        message.unwrap().expect("the stream goes on").session_ids.into_iter().collect()
    }

    /// Whether all of these are told of before `patience` ends.
    async fn tells(&mut self, sessions: &[String], patience: Duration) -> bool {
        let mut expected: BTreeSet<_> = sessions.iter().cloned().collect();
        let heard = async {
            while !expected.is_empty() {
                for id in self.next().await {
                    expected.remove(&id);
                }
            }
        };
        timeout(patience, heard).await.is_ok()
    }
}

async fn logout(shop: &Shop, session: &Session) {
    shop.bearer(&session.access_token).await.logout(LogoutRequest {}).await.unwrap();
}

#[tokio::test]
async fn the_first_message_holds_what_a_live_access_token_may_belong_to() {
    let shop = Shop::open().await;
    let empty = Watch::over(&shop).await.next().await;
    assert!(empty.is_empty());

    let [lately, long_ago, live] =
        [shop.register("ada").await, shop.register("bob").await, shop.register("eve").await];
    logout(&shop, &lately).await;
    logout(&shop, &long_ago).await;
    let [lately, long_ago, live] =
        [shop.session_id(&lately).await, shop.session_id(&long_ago).await, shop.session_id(&live).await];
    sqlx::query("update identity.sessions set ended_at = now() - interval '17 minutes' where id = $1::uuid")
        .bind(&long_ago)
        .execute(&shop.db)
        .await
        .unwrap();
    let told = Watch::over(&shop).await.next().await;
    assert_eq!(told, BTreeSet::from([lately]), "neither {long_ago} nor {live}");
}

#[tokio::test]
async fn an_end_reaches_the_watchers_of_every_replica_within_a_second() {
    let shop = Shop::open().await;
    let replica = shop.replica().await;
    let mut watches = [Watch::over(&shop).await, Watch::over(&replica).await];
    tokio::time::sleep(Duration::from_millis(300)).await;
    for index in 0..3 {
        let session = shop.register(&format!("ada{index}")).await;
        let id = shop.session_id(&session).await;
        logout(if index % 2 == 0 { &shop } else { &replica }, &session).await;
        for watch in &mut watches {
            assert!(watch.tells(std::slice::from_ref(&id), A_SECOND).await);
        }
    }
}

#[tokio::test]
async fn whatever_ends_a_session_is_told() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let mut watch = Watch::over(&shop).await;
    let mut told = async |ended: Vec<String>| {
        assert!(!ended.is_empty());
        assert!(watch.tells(&ended, A_SECOND).await, "{ended:?}");
    };

    let one = shop.register("ada").await;
    let two = shop.login("ada").await.unwrap();
    let end = EndSessionRequest { session_id: shop.session_id(&one).await };
    let mut client = shop.bearer(&two.access_token).await;
    told(client.end_session(end).await.unwrap().into_inner().ended_session_ids).await;

    let three = shop.login("ada").await.unwrap();
    told(shop.change_password(&three, "another horse battery").await.unwrap()).await;
    let mut client = shop.bearer(&three.access_token).await;
    told(client.logout_all(LogoutAllRequest {}).await.unwrap().into_inner().ended_session_ids).await;

    let stolen = shop.register("bob").await;
    let next = shop.refresh(&stolen.refresh_token).await.unwrap();
    shop.refresh(&next.refresh_token).await.unwrap();
    shop.refresh(&stolen.refresh_token).await.unwrap_err();
    told(vec![shop.session_id(&stolen).await]).await;

    let demoted = shop.admin("eve").await;
    let id = user(&demoted).id.clone();
    let request = UpdateUserRequest { id: id.clone(), role: Role::User.into(), ..Default::default() };
    told(shop.update_user(&admin, request).await.unwrap().1).await;
    shop.login("eve@example.org").await.unwrap();
    let request = UpdateUserRequest { id: id.clone(), disabled: Some(true), ..Default::default() };
    told(shop.update_user(&admin, request).await.unwrap().1).await;

    let deleted = shop.register("joe").await;
    let request = DeleteUserRequest { id: user(&deleted).id.clone() };
    let mut client = shop.bearer(&admin.access_token).await;
    told(client.delete_user(request).await.unwrap().into_inner().ended_session_ids).await;

    let locked_out = shop.register("mia").await;
    let session = shop.session_id(&locked_out).await;
    let other = format!("not {PASSWORD}");
    bodega_identity::create_admin(&shop.db, &crate::shop::settings(), "Mia", "mia@example.org", &other)
        .await
        .unwrap();
    told(vec![session]).await;
}

#[tokio::test]
async fn nothing_is_missed_when_the_listening_connection_breaks() {
    let shop = Shop::open().await;
    let mut watch = Watch::over(&shop).await;
    let session = shop.register("ada").await;
    tokio::time::sleep(Duration::from_millis(300)).await;

    // It is not to come back before the session has ended.
    let here: PgConnectOptions = shop.database.url().parse().unwrap();
    let name = here.get_database().unwrap().to_owned();
    let mut elsewhere = here.database("postgres").connect().await.unwrap();
    let mut allow_connections = async |allowed: bool| {
        let statement = format!("alter database \"{name}\" allow_connections {allowed}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut elsewhere).await.unwrap();
    };
    allow_connections(false).await;
    let killed: i64 = sqlx::query_scalar(
        "select count(*) from (
             select pg_terminate_backend(pid, 1000) from pg_stat_activity
             where datname = current_database() and query ilike 'listen %'
         ) killed",
    )
    .fetch_one(&shop.db)
    .await
    .unwrap();
    assert_eq!(killed, 1);
    let id = shop.session_id(&session).await;
    logout(&shop, &session).await;
    allow_connections(true).await;
    assert!(watch.tells(&[id], 5 * A_SECOND).await);
}

#[tokio::test]
async fn a_stream_ends_with_the_process() {
    let shop = Shop::open().await;
    let mut watch = Watch::over(&shop).await;
    watch.next().await;
    shop.shutdown.cancel();
    let end = async { while watch.0.message().await.unwrap().is_some() {} };
    timeout(A_SECOND, end).await.expect("an end");
    timeout(A_SECOND, shop.service.stop()).await.expect("its loops end, too");
}
