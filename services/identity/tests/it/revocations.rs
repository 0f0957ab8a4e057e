//! The stream of ended sessions.

use std::{collections::BTreeSet, time::Duration};

use bodega_proto::identity::v1::{
    DeleteUserRequest, EndSessionRequest, LogoutAllRequest, LogoutRequest, Role, Session, UpdateUserRequest,
    WatchRevocationsRequest, WatchRevocationsResponse,
};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::time::timeout;
use tonic::Streaming;

use crate::test_app::{PASSWORD, TestApp, user};

const ONE_SECOND: Duration = Duration::from_secs(1);

struct Watch(Streaming<WatchRevocationsResponse>);

impl Watch {
    async fn start(app: &TestApp) -> Self {
        let response = app.tokens().watch_revocations(WatchRevocationsRequest {}).await;
        Self(response.unwrap().into_inner())
    }

    async fn next(&mut self) -> BTreeSet<String> {
        let message = timeout(Duration::from_secs(5), self.0.message()).await.expect("a message");
        message.unwrap().expect("the stream continues").session_ids.into_iter().collect()
    }

    /// Returns whether all of the sessions are received within `time`.
    async fn receives(&mut self, sessions: &[String], time: Duration) -> bool {
        let mut expected: BTreeSet<_> = sessions.iter().cloned().collect();
        let received = async {
            while !expected.is_empty() {
                for id in self.next().await {
                    expected.remove(&id);
                }
            }
        };
        timeout(time, received).await.is_ok()
    }
}

async fn logout(app: &TestApp, session: &Session) {
    app.bearer(&session.access_token).await.logout(LogoutRequest {}).await.unwrap();
}

#[tokio::test]
async fn the_first_message_contains_recently_ended_sessions() {
    let app = TestApp::start().await;
    let empty = Watch::start(&app).await.next().await;
    assert!(empty.is_empty());

    let [recent, old, live] =
        [app.register("ada").await, app.register("bob").await, app.register("eve").await];
    logout(&app, &recent).await;
    logout(&app, &old).await;
    let [recent, old, live] =
        [app.session_id(&recent).await, app.session_id(&old).await, app.session_id(&live).await];
    sqlx::query("update identity.sessions set ended_at = now() - interval '17 minutes' where id = $1::uuid")
        .bind(&old)
        .execute(&app.db)
        .await
        .unwrap();
    let first = Watch::start(&app).await.next().await;
    assert_eq!(first, BTreeSet::from([recent]), "neither {old} nor {live}");
}

#[tokio::test]
async fn an_ended_session_reaches_every_replica_within_a_second() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let mut watches = [Watch::start(&app).await, Watch::start(&replica).await];
    tokio::time::sleep(Duration::from_millis(300)).await;
    for index in 0..3 {
        let session = app.register(&format!("ada{index}")).await;
        let id = app.session_id(&session).await;
        logout(if index % 2 == 0 { &app } else { &replica }, &session).await;
        for watch in &mut watches {
            assert!(watch.receives(std::slice::from_ref(&id), ONE_SECOND).await);
        }
    }
}

#[tokio::test]
async fn streams_sessions_ended_by_any_cause() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let mut watch = Watch::start(&app).await;
    let mut assert_streamed = async |ended: Vec<String>| {
        assert!(!ended.is_empty());
        assert!(watch.receives(&ended, ONE_SECOND).await, "{ended:?}");
    };

    let one = app.register("ada").await;
    let two = app.login("ada").await.unwrap();
    let end = EndSessionRequest { session_id: app.session_id(&one).await };
    let mut client = app.bearer(&two.access_token).await;
    assert_streamed(client.end_session(end).await.unwrap().into_inner().ended_session_ids).await;

    let three = app.login("ada").await.unwrap();
    assert_streamed(app.change_password(&three, "another horse battery").await.unwrap()).await;
    let mut client = app.bearer(&three.access_token).await;
    assert_streamed(client.logout_all(LogoutAllRequest {}).await.unwrap().into_inner().ended_session_ids)
        .await;

    let stolen = app.register("bob").await;
    let next = app.refresh(&stolen.refresh_token).await.unwrap();
    app.refresh(&next.refresh_token).await.unwrap();
    app.refresh(&stolen.refresh_token).await.unwrap_err();
    assert_streamed(vec![app.session_id(&stolen).await]).await;

    let demoted = app.admin("eve").await;
    let id = user(&demoted).id.clone();
    let request = UpdateUserRequest { id: id.clone(), role: Role::User.into(), ..Default::default() };
    assert_streamed(app.update_user(&admin, request).await.unwrap().1).await;
    app.login("eve@example.org").await.unwrap();
    let request = UpdateUserRequest { id: id.clone(), disabled: Some(true), ..Default::default() };
    assert_streamed(app.update_user(&admin, request).await.unwrap().1).await;

    let deleted = app.register("joe").await;
    let request = DeleteUserRequest { id: user(&deleted).id.clone() };
    let mut client = app.bearer(&admin.access_token).await;
    assert_streamed(client.delete_user(request).await.unwrap().into_inner().ended_session_ids).await;

    let locked_out = app.register("mia").await;
    let session = app.session_id(&locked_out).await;
    let other = format!("not {PASSWORD}");
    bodega_identity::create_admin(&app.db, &crate::test_app::settings(), "Mia", "mia@example.org", &other)
        .await
        .unwrap();
    assert_streamed(vec![session]).await;
}

#[tokio::test]
async fn no_session_of_another_replica_is_missed_while_the_database_is_away() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let mut watch = Watch::start(&replica).await;
    watch.next().await;
    let session = app.register("ada").await;
    let id = app.session_id(&session).await;

    let options: PgConnectOptions = app.database.url().parse().unwrap();
    let name = options.get_database().unwrap().to_owned();
    let mut owner = options.clone().connect().await.unwrap();
    let mut maintenance = options.database("postgres").connect().await.unwrap();
    let mut allow_connections = async |allowed: bool| {
        let statement = format!("alter database \"{name}\" allow_connections {allowed}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut maintenance).await.unwrap();
    };
    allow_connections(false).await;
    let killed: i64 = sqlx::query_scalar(
        "select count(*) from (
             select pg_terminate_backend(pid, 1000) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()
         ) killed",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(killed > 0);
    sqlx::query("update identity.sessions set ended_at = now() where id = $1::uuid")
        .bind(&id)
        .execute(&mut owner)
        .await
        .unwrap();
    tokio::time::sleep(2 * ONE_SECOND).await;
    allow_connections(true).await;
    assert!(watch.receives(&[id], 5 * ONE_SECOND).await);
}

/// Transactions commit in another order than they begin. The poll must not pass one that is still running.
#[tokio::test]
async fn a_session_is_not_missed_while_its_transaction_is_open() {
    let app = TestApp::start().await;
    let mut watch = Watch::start(&app).await;
    watch.next().await;
    let [slow, fast] = [app.register("ada").await, app.register("bob").await];
    let [slow, fast] = [app.session_id(&slow).await, app.session_id(&fast).await];
    let end = "update identity.sessions set ended_at = now() where id = $1::uuid";
    let mut transaction = app.db.begin().await.unwrap();
    sqlx::query(end).bind(&slow).execute(&mut *transaction).await.unwrap();
    sqlx::query(end).bind(&fast).execute(&app.db).await.unwrap();
    assert!(watch.receives(&[fast], 2 * ONE_SECOND).await);
    transaction.commit().await.unwrap();
    assert!(watch.receives(&[slow], 2 * ONE_SECOND).await);
}

#[tokio::test]
async fn a_replica_polls_only_while_it_has_watchers() {
    let app = TestApp::start().await;
    let polls = async || -> i64 {
        let query = "select count(*) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
              and query like '%pg_visible_in_snapshot(ended_in%'";
        let mut db = app.database.url().parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
        sqlx::query_scalar(query).fetch_one(&mut db).await.unwrap()
    };
    tokio::time::sleep(2 * ONE_SECOND).await;
    assert_eq!(polls().await, 0);
    let _watch = Watch::start(&app).await;
    let polled = async { while polls().await == 0 {} };
    timeout(5 * ONE_SECOND, polled).await.expect("polls while there is a watcher");
}

#[tokio::test]
async fn streams_end_at_shutdown() {
    let app = TestApp::start().await;
    let mut watch = Watch::start(&app).await;
    watch.next().await;
    app.shutdown.cancel();
    let end = async { while watch.0.message().await.unwrap().is_some() {} };
    timeout(ONE_SECOND, end).await.expect("the stream ends");
    timeout(ONE_SECOND, app.service.stop()).await.expect("the workers end, too");
}
