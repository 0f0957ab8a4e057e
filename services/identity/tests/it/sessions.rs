//! Ending sessions, and being without one.

use bodega_proto::identity::v1::{
    ChangePasswordRequest, EndSessionRequest, GetProfileRequest, ListSessionsRequest, LogoutAllRequest,
    LogoutRequest, Session, UpdateProfileRequest,
};
use tonic::{Code, Status};

use crate::shop::{Client, PASSWORD, Shop, fields, invalid_refresh_token, refusal, session_ended};

async fn logout(shop: &Shop, session: &Session) -> Result<Vec<String>, Status> {
    let mut client = shop.bearer(&session.access_token).await;
    Ok(client.logout(LogoutRequest {}).await?.into_inner().ended_session_ids)
}

#[tokio::test]
async fn logout_ends_this_session_and_no_other() {
    let shop = Shop::open().await;
    let one = shop.register("ada").await;
    let two = shop.login("ada").await.unwrap();

    assert_eq!(logout(&shop, &one).await.unwrap(), [shop.session_id(&one).await]);
    assert_eq!(refusal(shop.profile(&one).await), session_ended());
    assert_eq!(refusal(shop.refresh(&one.refresh_token).await), invalid_refresh_token());
    assert_eq!(refusal(logout(&shop, &one).await), session_ended());
    shop.profile(&two).await.unwrap();
}

#[tokio::test]
async fn logout_all_ends_every_session_of_the_caller_only() {
    let shop = Shop::open().await;
    let one = shop.register("ada").await;
    let two = shop.login("ada").await.unwrap();
    let other = shop.register("bob").await;

    let mut client = shop.bearer(&one.access_token).await;
    let mut ended = client.logout_all(LogoutAllRequest {}).await.unwrap().into_inner().ended_session_ids;
    ended.sort();
    let mut both = [shop.session_id(&one).await, shop.session_id(&two).await];
    both.sort();
    assert_eq!(ended, both);
    assert_eq!(refusal(shop.profile(&two).await), session_ended());
    shop.profile(&other).await.unwrap();
}

#[tokio::test]
async fn a_list_shows_the_live_sessions_of_the_caller_the_latest_first() {
    let shop = Shop::open().await;
    let one = shop.register("ada").await;
    let two = shop.login("ada").await.unwrap();
    let gone = shop.login("ada").await.unwrap();
    shop.register("bob").await;
    logout(&shop, &gone).await.unwrap();
    let one = shop.refresh(&one.refresh_token).await.unwrap();

    let mut client = shop.bearer(&two.access_token).await;
    let sessions = client.list_sessions(ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    let listed: Vec<_> = sessions.iter().map(|session| (session.id.clone(), session.current)).collect();
    assert_eq!(listed, [(shop.session_id(&one).await, false), (shop.session_id(&two).await, true)]);
    assert!(sessions[0].last_used_at.unwrap().seconds >= sessions[0].created_at.unwrap().seconds);
    assert_eq!(sessions[1].user_agent, "test/1");
}

#[tokio::test]
async fn only_its_owner_ends_a_session_and_only_once() {
    let shop = Shop::open().await;
    let one = shop.register("ada").await;
    let two = shop.login("ada").await.unwrap();
    let other = shop.register("bob").await;
    let end = async |session: &Session, session_id: String| {
        let mut client = shop.bearer(&session.access_token).await;
        Ok(client.end_session(EndSessionRequest { session_id }).await?.into_inner().ended_session_ids)
    };
    let two_id = shop.session_id(&two).await;
    let not_found = (Code::NotFound, "session_not_found".to_owned());

    assert_eq!(refusal(end(&other, two_id.clone()).await), not_found);
    shop.profile(&two).await.unwrap();
    let ended = end(&one, two_id.clone()).await.unwrap();
    assert_eq!(ended.join(","), two_id);
    assert_eq!(refusal(shop.profile(&two).await), session_ended());
    assert_eq!(refusal(end(&one, two_id).await), not_found);
    assert_eq!(fields(end(&one, "1".into()).await), ["session_id"]);
}

/// What everything that needs a session answers.
async fn every_answer(client: &mut Client) -> Vec<(Code, String)> {
    let change =
        ChangePasswordRequest { current_password: PASSWORD.into(), new_password: "another horse".into() };
    let end = EndSessionRequest { session_id: uuid::Uuid::now_v7().to_string() };
    vec![
        refusal(client.get_profile(GetProfileRequest {}).await),
        refusal(client.update_profile(UpdateProfileRequest::default()).await),
        refusal(client.change_password(change).await),
        refusal(client.list_sessions(ListSessionsRequest {}).await),
        refusal(client.end_session(end).await),
        refusal(client.logout_all(LogoutAllRequest {}).await),
        refusal(client.logout(LogoutRequest {}).await),
    ]
}

#[tokio::test]
async fn a_token_whose_session_has_ended_does_nothing() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    logout(&shop, &session).await.unwrap();
    let answers = every_answer(&mut shop.bearer(&session.access_token).await).await;
    assert!(answers.iter().all(|answer| *answer == session_ended()), "{answers:?}");
}

#[tokio::test]
async fn nobody_has_no_session() {
    let shop = Shop::open().await;
    let answers = every_answer(&mut shop.anyone()).await;
    let unauthenticated = (Code::Unauthenticated, "unauthenticated".to_owned());
    assert!(answers.iter().all(|answer| *answer == unauthenticated), "{answers:?}");
}

#[tokio::test]
async fn sessions_are_forgotten_once_no_token_of_them_can_be_alive() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for name in ["ended", "lately", "idle", "live"] {
        ids.push(shop.session_id(&shop.register(name).await).await);
    }
    for (id, change) in [
        (&ids[0], "ended_at = now() - interval '25 hours'"),
        (&ids[1], "ended_at = now() - interval '23 hours'"),
        (&ids[2], "last_used_at = now() - interval '32 days'"),
    ] {
        let statement = format!("update identity.sessions set {change} where id = $1::uuid");
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).execute(&shop.db).await.unwrap();
    }
    // Each process sees to it when it starts.
    let _replica = shop.replica().await;
    let mut left: Vec<String> = Vec::new();
    for _ in 0..50 {
        left = sqlx::query_scalar("select id::text from identity.sessions order by id")
            .fetch_all(&shop.db)
            .await
            .unwrap();
        if left.len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(left, [ids[1].clone(), ids[3].clone()]);
}
