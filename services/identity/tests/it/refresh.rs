//! Refreshing sessions, retries and reuse of tokens.

use bodega_proto::identity::v1::{ListSessionsRequest, Role, UpdateUserRequest};
use futures_util::future::join_all;

use crate::test_app::{TestApp, invalid_refresh_token, rejection, session_ended, user};

#[tokio::test]
async fn issues_new_tokens_for_the_same_session() {
    let app = TestApp::start().await;
    let first = app.register("ada").await;
    let second = app.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_ne!(second.access_token, first.access_token);
    assert_eq!(app.session_id(&second).await, app.session_id(&first).await);
    app.profile(&second).await.unwrap();
    app.profile(&first).await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_can_be_retried_until_its_successor_is_used() {
    let app = TestApp::start().await;
    let first = app.register("ada").await;
    let lost = app.refresh(&first.refresh_token).await.unwrap();
    let second = app.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token, lost.refresh_token);
    let third = app.refresh(&second.refresh_token).await.unwrap();

    // Another client uses the token of the lost response.
    assert_eq!(rejection(app.refresh(&lost.refresh_token).await), invalid_refresh_token());
    assert_eq!(rejection(app.refresh(&third.refresh_token).await), invalid_refresh_token());
}

#[tokio::test]
async fn reuse_of_an_old_token_ends_the_session() {
    let app = TestApp::start().await;
    let first = app.register("ada").await;
    let other_session = app.login("ada").await.unwrap();
    let second = app.refresh(&first.refresh_token).await.unwrap();
    let third = app.refresh(&second.refresh_token).await.unwrap();

    assert_eq!(rejection(app.refresh(&first.refresh_token).await), invalid_refresh_token());
    assert_eq!(rejection(app.refresh(&third.refresh_token).await), invalid_refresh_token());
    assert_eq!(rejection(app.profile(&third).await), session_ended());
    app.profile(&other_session).await.unwrap();
    app.refresh(&other_session.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_client_can_continue_with_any_response_of_its_retries() {
    let app = TestApp::start().await;
    let mut session = app.register("ada").await;
    for round in 0..8 {
        let responses = join_all((0..3).map(|_| app.refresh(&session.refresh_token))).await;
        let mut sessions: Vec<_> = responses.into_iter().map(Result::unwrap).collect();
        for session in &sessions {
            app.profile(session).await.unwrap();
        }
        session = sessions.remove(round % 3);
    }
    app.refresh(&session.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_refresh_can_be_retried() {
    let app = TestApp::start().await;
    let mut session = app.register("ada").await;
    for step in 0..24 {
        let time = std::time::Duration::from_micros(step * 250);
        let _ = tokio::time::timeout(time, app.refresh(&session.refresh_token)).await;
        session = app.refresh(&session.refresh_token).await.unwrap();
    }
}

#[tokio::test]
async fn a_stolen_token_ends_the_session_when_both_tokens_are_used() {
    let app = TestApp::start().await;
    let stolen = app.register("ada").await;
    let thief = app.refresh(&stolen.refresh_token).await.unwrap();
    let owner = app.refresh(&stolen.refresh_token).await.unwrap();
    // Both continue; the second use ends the session.
    app.refresh(&thief.refresh_token).await.unwrap();
    assert_eq!(rejection(app.refresh(&owner.refresh_token).await), invalid_refresh_token());
    assert_eq!(rejection(app.profile(&owner).await), session_ended());
}

#[tokio::test]
async fn concurrent_use_of_two_successors_ends_the_session() {
    let app = TestApp::start().await;
    for round in 0..12 {
        let stolen = app.register(&format!("ada{round}")).await;
        let thief = app.refresh(&stolen.refresh_token).await.unwrap();
        let owner = app.refresh(&stolen.refresh_token).await.unwrap();
        let (one, other) = tokio::join!(app.refresh(&thief.refresh_token), app.refresh(&owner.refresh_token));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert_eq!(app.active_sessions(user(&stolen)).await, 0);
    }
}

#[tokio::test]
async fn rejects_invalid_refresh_tokens() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    for token in ["", "x", "\0", &session.access_token, &"x".repeat(1 << 20)] {
        assert_eq!(rejection(app.refresh(token).await), invalid_refresh_token());
    }
    app.refresh(&session.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_session_expires_after_30_days_without_use() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    sqlx::query("update identity.sessions set last_used_at = now() - interval '29 days 23 hours'")
        .execute(&app.db)
        .await
        .unwrap();
    let session = app.refresh(&session.refresh_token).await.unwrap();
    sqlx::query("update identity.sessions set last_used_at = now() - interval '30 days'")
        .execute(&app.db)
        .await
        .unwrap();
    assert_eq!(rejection(app.refresh(&session.refresh_token).await), invalid_refresh_token());
}

#[tokio::test]
async fn the_next_refresh_returns_the_new_role() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let session = app.register("ada").await;
    let request =
        UpdateUserRequest { id: user(&session).id.clone(), role: Role::Admin.into(), ..Default::default() };
    let (promoted, ended) = app.update_user(&admin, request).await.unwrap();
    assert_eq!((promoted.role(), ended.len()), (Role::Admin, 0));
    assert!(!app.verifier.verify(&session.access_token).await.unwrap().is_admin());
    let session = app.refresh(&session.refresh_token).await.unwrap();
    assert!(app.verifier.verify(&session.access_token).await.unwrap().is_admin());
}

#[tokio::test]
async fn stores_only_hashes_of_refresh_tokens() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let stored: Vec<String> = sqlx::query_scalar(
        "select t::text from identity.refresh_tokens t union all select s::text from identity.sessions s",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|row| !row.contains(&session.refresh_token)));
}

#[tokio::test]
async fn a_session_ends_after_90_days_however_often_it_is_used() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let started = async |days: i32| {
        sqlx::query("update identity.sessions set created_at = now() - make_interval(days => $1)")
            .bind(days)
            .execute(&app.db)
            .await
            .unwrap();
    };
    started(89).await;
    let session = app.refresh(&session.refresh_token).await.unwrap();
    started(91).await;
    assert_eq!(rejection(app.refresh(&session.refresh_token).await), invalid_refresh_token());
    let mut client = app.bearer(&session.access_token).await;
    let listed = client.list_sessions(ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    assert_eq!(listed.len(), 0);
    app.login("ada").await.unwrap();
}
