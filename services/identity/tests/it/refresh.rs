//! Refreshing a session: what is forgiven, and what ends it.

use bodega_proto::identity::v1::{Role, UpdateUserRequest};
use futures_util::future::join_all;

use crate::shop::{Shop, invalid_refresh_token, refusal, session_ended, user};

#[tokio::test]
async fn a_refresh_token_gives_the_next_pair_of_the_same_session() {
    let shop = Shop::open().await;
    let first = shop.register("ada").await;
    let second = shop.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_ne!(second.access_token, first.access_token);
    assert_eq!(shop.session_id(&second).await, shop.session_id(&first).await);
    shop.profile(&second).await.unwrap();
    shop.profile(&first).await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_is_forgiven_while_its_token_is_unused() {
    let shop = Shop::open().await;
    let first = shop.register("ada").await;
    let lost = shop.refresh(&first.refresh_token).await.unwrap();
    let second = shop.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token, lost.refresh_token);
    let third = shop.refresh(&second.refresh_token).await.unwrap();

    // The reply that was lost turns up with somebody else.
    assert_eq!(refusal(shop.refresh(&lost.refresh_token).await), invalid_refresh_token());
    assert_eq!(refusal(shop.refresh(&third.refresh_token).await), invalid_refresh_token());
}

#[tokio::test]
async fn an_older_token_ends_the_session_for_both_of_its_bearers() {
    let shop = Shop::open().await;
    let first = shop.register("ada").await;
    let elsewhere = shop.login("ada").await.unwrap();
    let second = shop.refresh(&first.refresh_token).await.unwrap();
    let third = shop.refresh(&second.refresh_token).await.unwrap();

    assert_eq!(refusal(shop.refresh(&first.refresh_token).await), invalid_refresh_token());
    assert_eq!(refusal(shop.refresh(&third.refresh_token).await), invalid_refresh_token());
    assert_eq!(refusal(shop.profile(&third).await), session_ended());
    shop.profile(&elsewhere).await.unwrap();
    shop.refresh(&elsewhere.refresh_token).await.unwrap();
}

#[tokio::test]
async fn whichever_answer_a_client_with_retries_keeps_its_session_lives() {
    let shop = Shop::open().await;
    let mut session = shop.register("ada").await;
    for round in 0..8 {
        let answers = join_all((0..3).map(|_| shop.refresh(&session.refresh_token))).await;
        let mut sessions: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        for session in &sessions {
            shop.profile(session).await.unwrap();
        }
        session = sessions.remove(round % 3);
    }
    shop.refresh(&session.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_refresh_that_is_given_up_half_way_can_be_repeated() {
    let shop = Shop::open().await;
    let mut session = shop.register("ada").await;
    for step in 0..24 {
        let patience = std::time::Duration::from_micros(step * 250);
        let _ = tokio::time::timeout(patience, shop.refresh(&session.refresh_token)).await;
        session = shop.refresh(&session.refresh_token).await.unwrap();
    }
}

#[tokio::test]
async fn a_thief_and_the_owner_cannot_both_go_on() {
    let shop = Shop::open().await;
    let stolen = shop.register("ada").await;
    let thief = shop.refresh(&stolen.refresh_token).await.unwrap();
    let owner = shop.refresh(&stolen.refresh_token).await.unwrap();
    // Each goes on: one of them is the second, and that ends it.
    shop.refresh(&thief.refresh_token).await.unwrap();
    assert_eq!(refusal(shop.refresh(&owner.refresh_token).await), invalid_refresh_token());
    assert_eq!(refusal(shop.profile(&owner).await), session_ended());
}

#[tokio::test]
async fn two_tokens_from_one_used_at_the_same_moment_end_the_session() {
    let shop = Shop::open().await;
    for round in 0..12 {
        let stolen = shop.register(&format!("ada{round}")).await;
        let thief = shop.refresh(&stolen.refresh_token).await.unwrap();
        let owner = shop.refresh(&stolen.refresh_token).await.unwrap();
        let (one, other) =
            tokio::join!(shop.refresh(&thief.refresh_token), shop.refresh(&owner.refresh_token));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert_eq!(shop.live_sessions(user(&stolen)).await, 0);
    }
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    for token in ["", "x", "\0", &session.access_token, &"x".repeat(1 << 20)] {
        assert_eq!(refusal(shop.refresh(token).await), invalid_refresh_token());
    }
    shop.refresh(&session.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_session_expires_after_thirty_days_without_use() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    sqlx::query("update identity.sessions set last_used_at = now() - interval '29 days 23 hours'")
        .execute(&shop.db)
        .await
        .unwrap();
    let session = shop.refresh(&session.refresh_token).await.unwrap();
    sqlx::query("update identity.sessions set last_used_at = now() - interval '30 days'")
        .execute(&shop.db)
        .await
        .unwrap();
    assert_eq!(refusal(shop.refresh(&session.refresh_token).await), invalid_refresh_token());
}

#[tokio::test]
async fn a_new_role_arrives_with_the_next_refresh() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let session = shop.register("ada").await;
    let request =
        UpdateUserRequest { id: user(&session).id.clone(), role: Role::Admin.into(), ..Default::default() };
    let (promoted, ended) = shop.update_user(&admin, request).await.unwrap();
    assert_eq!((promoted.role(), ended.len()), (Role::Admin, 0));
    assert!(!shop.verifier.verify(&session.access_token).await.unwrap().is_admin());
    let session = shop.refresh(&session.refresh_token).await.unwrap();
    assert!(shop.verifier.verify(&session.access_token).await.unwrap().is_admin());
}

#[tokio::test]
async fn tokens_are_kept_as_hashes_only() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let kept: Vec<String> = sqlx::query_scalar(
        "select t::text from identity.refresh_tokens t union all select s::text from identity.sessions s",
    )
    .fetch_all(&shop.db)
    .await
    .unwrap();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|row| !row.contains(&session.refresh_token)));
}
