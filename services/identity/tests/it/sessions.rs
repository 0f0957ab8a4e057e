//! Listing and ending sessions, and calls without one.

use bodega_proto::identity::v1::{
    ChangePasswordRequest, EndSessionRequest, GetProfileRequest, ListSessionsRequest, LogoutAllRequest,
    LogoutRequest, Session, UpdateProfileRequest,
};
use tonic::{Code, Status};

use crate::test_app::{Client, PASSWORD, TestApp, fields, invalid_refresh_token, rejection, session_ended};

async fn logout(app: &TestApp, session: &Session) -> Result<Vec<String>, Status> {
    let mut client = app.bearer(&session.access_token).await;
    Ok(client.logout(LogoutRequest {}).await?.into_inner().ended_session_ids)
}

#[tokio::test]
async fn logout_ends_only_its_session() {
    let app = TestApp::start().await;
    let one = app.register("ada").await;
    let two = app.login("ada").await.unwrap();

    assert_eq!(logout(&app, &one).await.unwrap(), [app.session_id(&one).await]);
    assert_eq!(rejection(app.profile(&one).await), session_ended());
    assert_eq!(rejection(app.refresh(&one.refresh_token).await), invalid_refresh_token());
    assert_eq!(rejection(logout(&app, &one).await), session_ended());
    app.profile(&two).await.unwrap();
}

#[tokio::test]
async fn logout_all_ends_all_sessions_of_the_caller_only() {
    let app = TestApp::start().await;
    let one = app.register("ada").await;
    let two = app.login("ada").await.unwrap();
    let other = app.register("bob").await;

    let mut client = app.bearer(&one.access_token).await;
    let mut ended = client.logout_all(LogoutAllRequest {}).await.unwrap().into_inner().ended_session_ids;
    ended.sort();
    let mut both = [app.session_id(&one).await, app.session_id(&two).await];
    both.sort();
    assert_eq!(ended, both);
    assert_eq!(rejection(app.profile(&two).await), session_ended());
    app.profile(&other).await.unwrap();
}

#[tokio::test]
async fn lists_active_sessions_of_the_caller_last_used_first() {
    let app = TestApp::start().await;
    let one = app.register("ada").await;
    let two = app.login("ada").await.unwrap();
    let gone = app.login("ada").await.unwrap();
    app.register("bob").await;
    logout(&app, &gone).await.unwrap();
    let one = app.refresh(&one.refresh_token).await.unwrap();

    let mut client = app.bearer(&two.access_token).await;
    let sessions = client.list_sessions(ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    let listed: Vec<_> = sessions.iter().map(|session| (session.id.clone(), session.current)).collect();
    assert_eq!(listed, [(app.session_id(&one).await, false), (app.session_id(&two).await, true)]);
    assert!(sessions[0].last_used_at.unwrap().seconds >= sessions[0].created_at.unwrap().seconds);
    assert_eq!(sessions[1].user_agent, "test/1");
}

#[tokio::test]
async fn only_the_owner_can_end_a_session_and_only_once() {
    let app = TestApp::start().await;
    let one = app.register("ada").await;
    let two = app.login("ada").await.unwrap();
    let other = app.register("bob").await;
    let end = async |session: &Session, session_id: String| {
        let mut client = app.bearer(&session.access_token).await;
        Ok(client.end_session(EndSessionRequest { session_id }).await?.into_inner().ended_session_ids)
    };
    let two_id = app.session_id(&two).await;
    let not_found = (Code::NotFound, "session_not_found".to_owned());

    assert_eq!(rejection(end(&other, two_id.clone()).await), not_found);
    app.profile(&two).await.unwrap();
    let ended = end(&one, two_id.clone()).await.unwrap();
    assert_eq!(ended.join(","), two_id);
    assert_eq!(rejection(app.profile(&two).await), session_ended());
    assert_eq!(rejection(end(&one, two_id).await), not_found);
    assert_eq!(fields(end(&one, "1".into()).await), ["session_id"]);
}

/// Returns the rejections of all calls that need a session.
async fn rejections(client: &mut Client) -> Vec<(Code, String)> {
    let change =
        ChangePasswordRequest { current_password: PASSWORD.into(), new_password: "another horse".into() };
    let end = EndSessionRequest { session_id: uuid::Uuid::now_v7().to_string() };
    vec![
        rejection(client.get_profile(GetProfileRequest {}).await),
        rejection(client.update_profile(UpdateProfileRequest::default()).await),
        rejection(client.change_password(change).await),
        rejection(client.list_sessions(ListSessionsRequest {}).await),
        rejection(client.end_session(end).await),
        rejection(client.logout_all(LogoutAllRequest {}).await),
        rejection(client.logout(LogoutRequest {}).await),
    ]
}

#[tokio::test]
async fn rejects_a_token_of_an_ended_session() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    logout(&app, &session).await.unwrap();
    let responses = rejections(&mut app.bearer(&session.access_token).await).await;
    assert!(responses.iter().all(|response| *response == session_ended()), "{responses:?}");
}

#[tokio::test]
async fn rejects_calls_without_a_token() {
    let app = TestApp::start().await;
    let responses = rejections(&mut app.anonymous()).await;
    let unauthenticated = (Code::Unauthenticated, "unauthenticated".to_owned());
    assert!(responses.iter().all(|response| *response == unauthenticated), "{responses:?}");
}

#[tokio::test]
async fn deletes_sessions_whose_tokens_have_expired() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for name in ["ended", "recent", "idle", "live"] {
        ids.push(app.session_id(&app.register(name).await).await);
    }
    for (id, change) in [
        (&ids[0], "ended_at = now() - interval '25 hours'"),
        (&ids[1], "ended_at = now() - interval '23 hours'"),
        (&ids[2], "last_used_at = now() - interval '32 days'"),
    ] {
        let statement = format!("update identity.sessions set {change} where id = $1::uuid");
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).execute(&app.db).await.unwrap();
    }
    // Each process cleans up when it starts.
    let _replica = app.replica().await;
    let mut remaining: Vec<String> = Vec::new();
    for _ in 0..50 {
        remaining = sqlx::query_scalar("select id::text from identity.sessions order by id")
            .fetch_all(&app.db)
            .await
            .unwrap();
        if remaining.len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(remaining, [ids[1].clone(), ids[3].clone()]);
}
