//! Unused images are deleted from the storage, also after cancelled and concurrent calls.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use bodega_proto::identity::v1::{DeleteUserRequest, Session};
use futures_util::future::join_all;
use sqlx::PgConnection;
use tonic::{Code, Status};

use crate::{
    image_fixtures::{files_of, png},
    test_app::{TestApp, id_of, rejection, session_ended, user},
};

/// Polls `call` at most `polls` times, then drops it.
async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut remaining = polls;
    poll_fn(|context| {
        if remaining == 0 {
            return Poll::Ready(None);
        }
        remaining -= 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

async fn delete(app: &TestApp, admin: &Session, session: &Session) -> Result<(), Status> {
    let request = DeleteUserRequest { id: user(session).id.clone() };
    app.bearer(&admin.access_token).await.delete_user(request).await.map(drop)
}

/// Locks a user, as any change does.
async fn lock(db: &mut PgConnection, session: &Session) {
    sqlx::query("select from identity.users where id = $1 for update")
        .bind(id_of(user(session)))
        .execute(db)
        .await
        .unwrap();
}

async fn wait_until(mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(20), "condition not met");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Returns the number of statements that wait for a lock.
async fn blocked_statements(app: &TestApp) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'",
    )
    .fetch_one(&app.db)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_upload_cancelled_at_any_point_leaves_no_unused_image() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let mut shade = 0;
    for polls in 0.. {
        shade = u8::try_from(polls % 256).unwrap();
        let response = dropped_after(polls, app.set_avatar(&ada, &png(8, shade))).await;
        // The files of the current avatar always exist.
        wait_until(async || app.referenced_files().await.is_subset(&app.files())).await;
        if let Some(response) = response {
            assert_eq!(response.unwrap(), app.profile(&ada).await.unwrap());
            break;
        }
    }
    // A write that was in progress when its call was dropped continues to its end.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let unused: i64 =
        sqlx::query_scalar("select count(*) from identity.stored_images where delete_after > now()")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert!(unused > 0, "some calls were dropped after their row was inserted");

    app.expire_unused_images().await;
    app.wait_for_cleanup().await;
    let shown = app.profile(&ada).await.unwrap();
    assert_eq!(app.files(), files_of(&shown));
    let original = image::load_from_memory(&app.read(&shown.avatar_url)).unwrap().to_rgb8();
    assert_eq!(original.get_pixel(0, 0).0, [shade, 0, 0]);
}

#[tokio::test]
async fn concurrent_uploads_leave_one_image() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let ada = app.register("ada").await;
    let calls = (0..8).map(|index| {
        let (app, ada) = (if index % 2 == 0 { &app } else { &replica }, &ada);
        async move {
            if index == 4 { app.remove_avatar(ada).await } else { app.set_avatar(ada, &png(8, index)).await }
        }
    });
    let responses: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let shown = app.profile(&ada).await.unwrap();
    assert!(responses.contains(&shown), "{shown:?}");
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), app.referenced_files().await);
    let rows: i64 =
        sqlx::query_scalar("select count(*) from identity.stored_images").fetch_one(&app.db).await.unwrap();
    assert_eq!(rows, i64::from(!shown.avatar_url.is_empty()), "no unused image is retained");
}

#[tokio::test]
async fn the_last_of_two_concurrent_uploads_wins() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let mut transaction = app.db.begin().await.unwrap();
    lock(&mut transaction, &ada).await;
    let (first, second) = (png(8, 1), png(8, 2));
    let second = async {
        wait_until(async || blocked_statements(&app).await == 1).await;
        app.set_avatar(&ada, &second).await
    };
    let unlocking = async {
        wait_until(async || blocked_statements(&app).await == 2).await;
        transaction.commit().await.unwrap();
    };
    let (first, second, ()) = tokio::join!(app.set_avatar(&ada, &first), second, unlocking);
    first.unwrap();
    let shown = app.profile(&ada).await.unwrap();
    assert_eq!(shown, second.unwrap());
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&shown));
}

#[tokio::test]
async fn deleting_a_user_deletes_the_avatar() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let ada = app.register("ada").await;
    app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    delete(&app, &admin, &ada).await.unwrap();
    app.wait_for_cleanup().await;
    assert!(app.files().is_empty());
    let row: String = sqlx::query_scalar("select u::text from identity.users u where id = $1")
        .bind(id_of(user(&ada)))
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(!row.contains("avatars"), "{row}");
}

#[tokio::test]
async fn a_user_deleted_during_the_upload_gets_no_avatar() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let ada = app.register("ada").await;
    let mut transaction = app.db.begin().await.unwrap();
    lock(&mut transaction, &ada).await;
    let deleting = delete(&app, &admin, &ada);
    let setting = async {
        wait_until(async || blocked_statements(&app).await == 1).await;
        app.set_avatar(&ada, &png(8, 1)).await
    };
    let unlocking = async {
        wait_until(async || blocked_statements(&app).await == 2).await;
        transaction.commit().await.unwrap();
    };
    let (deleted, set, ()) = tokio::join!(deleting, setting, unlocking);
    deleted.unwrap();
    assert_eq!(rejection(set), session_ended());
    app.expire_unused_images().await;
    app.wait_for_cleanup().await;
    assert!(app.files().is_empty());
}

#[tokio::test]
async fn an_image_whose_deletion_has_begun_is_not_used() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let before = app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let mut transaction = app.db.begin().await.unwrap();
    lock(&mut transaction, &ada).await;
    let too_late = async {
        wait_until(async || blocked_statements(&app).await == 1).await;
        assert_eq!(app.files().len(), 4, "the image is in the storage");
        // As during the deletion of its object.
        sqlx::query("update identity.stored_images set attempts = 1 where delete_after is not null")
            .execute(&app.db)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    };
    let image = png(8, 2);
    let (response, ()) = tokio::join!(app.set_avatar(&ada, &image), too_late);
    assert_eq!(rejection(response), (Code::Unavailable, "timeout".into()));
    assert_eq!(app.profile(&ada).await.unwrap(), before);
    app.expire_unused_images().await;
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&before));
}

#[tokio::test]
async fn retries_failed_deletions_without_blocking_others() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    sqlx::query(
        "insert into identity.stored_images (key, storage, delete_after)
         select 'no key ' || i, 'local', now() - interval '1 minute' from generate_series(1, 20) i
         union all select 'elsewhere', 's3', now() - interval '1 minute'",
    )
    .execute(&app.db)
    .await
    .unwrap();
    app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    app.remove_avatar(&ada).await.unwrap();
    wait_until(async || app.files().is_empty()).await;

    let tried = async |key: &str, times: i32| -> bool {
        sqlx::query_scalar(
            "select attempts >= $2 from identity.stored_images where key like $1 order by 1 limit 1",
        )
        .bind(key)
        .bind(times)
        .fetch_one(&app.db)
        .await
        .unwrap()
    };
    wait_until(async || tried("no key %", 2).await).await;
    assert!(!tried("elsewhere", 1).await, "images of another storage stay");
}
