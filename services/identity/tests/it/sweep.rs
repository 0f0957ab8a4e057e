//! Whatever happens: the storage has what accounts show, and after a while nothing else.

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
    pictures::{files_of, png},
    shop::{Shop, id_of, refusal, session_ended, user},
};

/// Polls `call` so often at most, then drops it wherever it is.
async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

async fn delete(shop: &Shop, admin: &Session, session: &Session) -> Result<(), Status> {
    let request = DeleteUserRequest { id: user(session).id.clone() };
    shop.bearer(&admin.access_token).await.delete_user(request).await.map(drop)
}

/// Locks an account, as any change of it does.
async fn lock(db: &mut PgConnection, session: &Session) {
    sqlx::query("select from identity.users where id = $1 for update")
        .bind(id_of(user(session)))
        .execute(db)
        .await
        .unwrap();
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never does");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How many statements wait for a lock.
async fn waiting(shop: &Shop) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'",
    )
    .fetch_one(&shop.db)
    .await
    .unwrap()
}

#[tokio::test]
async fn wherever_a_call_is_dropped_nothing_is_left_that_nobody_shows() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let mut shade = 0;
    for polls in 0.. {
        shade = u8::try_from(polls % 256).unwrap();
        let answer = dropped_after(polls, shop.set_avatar(&ada, &png(8, shade))).await;
        // Whichever it is, it is whole.
        until(async || shop.shown().await.is_subset(&shop.files())).await;
        if let Some(answer) = answer {
            assert_eq!(answer.unwrap(), shop.profile(&ada).await.unwrap());
            break;
        }
    }
    // What was being written when its call was dropped is written to the end.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let kept: i64 =
        sqlx::query_scalar("select count(*) from identity.stored_images where delete_after > now()")
            .fetch_one(&shop.db)
            .await
            .unwrap();
    assert!(kept > 0, "some were dropped after their row was written");

    shop.an_hour_later().await;
    shop.swept().await;
    let shown = shop.profile(&ada).await.unwrap();
    assert_eq!(shop.files(), files_of(&shown));
    let original = image::load_from_memory(&shop.read(&shown.avatar_url)).unwrap().to_rgb8();
    assert_eq!(original.get_pixel(0, 0).0, [shade, 0, 0]);
}

#[tokio::test]
async fn of_pictures_set_at_once_one_is_shown_and_no_other_is_kept() {
    let shop = Shop::open().await;
    let replica = shop.replica().await;
    let ada = shop.register("ada").await;
    let calls = (0..8).map(|index| {
        let (shop, ada) = (if index % 2 == 0 { &shop } else { &replica }, &ada);
        async move {
            if index == 4 {
                shop.remove_avatar(ada).await
            } else {
                shop.set_avatar(ada, &png(8, index)).await
            }
        }
    });
    let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let shown = shop.profile(&ada).await.unwrap();
    assert!(answers.contains(&shown), "{shown:?}");
    shop.swept().await;
    assert_eq!(shop.files(), shop.shown().await);
    let rows: i64 =
        sqlx::query_scalar("select count(*) from identity.stored_images").fetch_one(&shop.db).await.unwrap();
    assert_eq!(rows, i64::from(!shown.avatar_url.is_empty()), "nothing waits for its hour");
}

#[tokio::test]
async fn of_two_pictures_set_at_once_the_last_is_shown() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let mut tx = shop.db.begin().await.unwrap();
    lock(&mut tx, &ada).await;
    let (first, second) = (png(8, 1), png(8, 2));
    let second = async {
        until(async || waiting(&shop).await == 1).await;
        shop.set_avatar(&ada, &second).await
    };
    let unlocking = async {
        until(async || waiting(&shop).await == 2).await;
        tx.commit().await.unwrap();
    };
    let (first, second, ()) = tokio::join!(shop.set_avatar(&ada, &first), second, unlocking);
    first.unwrap();
    let shown = shop.profile(&ada).await.unwrap();
    assert_eq!(shown, second.unwrap());
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&shown));
}

#[tokio::test]
async fn the_picture_of_a_deleted_account_is_gone() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let ada = shop.register("ada").await;
    shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    delete(&shop, &admin, &ada).await.unwrap();
    shop.swept().await;
    assert!(shop.files().is_empty());
    let row: String = sqlx::query_scalar("select u::text from identity.users u where id = $1")
        .bind(id_of(user(&ada)))
        .fetch_one(&shop.db)
        .await
        .unwrap();
    assert!(!row.contains("avatars"), "{row}");
}

#[tokio::test]
async fn an_account_that_is_deleted_meanwhile_gets_no_picture() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let ada = shop.register("ada").await;
    let mut tx = shop.db.begin().await.unwrap();
    lock(&mut tx, &ada).await;
    let deleting = delete(&shop, &admin, &ada);
    let setting = async {
        until(async || waiting(&shop).await == 1).await;
        shop.set_avatar(&ada, &png(8, 1)).await
    };
    let unlocking = async {
        until(async || waiting(&shop).await == 2).await;
        tx.commit().await.unwrap();
    };
    let (deleted, set, ()) = tokio::join!(deleting, setting, unlocking);
    deleted.unwrap();
    assert_eq!(refusal(set), session_ended());
    shop.an_hour_later().await;
    shop.swept().await;
    assert!(shop.files().is_empty());
}

#[tokio::test]
async fn a_picture_that_is_being_swept_is_not_shown() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let before = shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let mut tx = shop.db.begin().await.unwrap();
    lock(&mut tx, &ada).await;
    let too_late = async {
        until(async || waiting(&shop).await == 1).await;
        assert_eq!(shop.files().len(), 4, "it is in the storage");
        // As it is while its object is being deleted.
        sqlx::query("update identity.stored_images set attempts = 1 where delete_after is not null")
            .execute(&shop.db)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    let picture = png(8, 2);
    let (answer, ()) = tokio::join!(shop.set_avatar(&ada, &picture), too_late);
    assert_eq!(refusal(answer), (Code::Unavailable, "unavailable".into()));
    assert_eq!(shop.profile(&ada).await.unwrap(), before);
    shop.an_hour_later().await;
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&before));
}

#[tokio::test]
async fn what_cannot_be_deleted_now_is_tried_again_and_holds_nothing_up() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    sqlx::query(
        "insert into identity.stored_images (key, storage, delete_after)
         select 'no key ' || i, 'local', now() - interval '1 minute' from generate_series(1, 20) i
         union all select 'elsewhere', 's3', now() - interval '1 minute'",
    )
    .execute(&shop.db)
    .await
    .unwrap();
    shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    shop.remove_avatar(&ada).await.unwrap();
    until(async || shop.files().is_empty()).await;

    let tried = async |key: &str, times: i32| -> bool {
        sqlx::query_scalar(
            "select attempts >= $2 from identity.stored_images where key like $1 order by 1 limit 1",
        )
        .bind(key)
        .bind(times)
        .fetch_one(&shop.db)
        .await
        .unwrap()
    };
    until(async || tried("no key %", 2).await).await;
    assert!(!tried("elsewhere", 1).await, "that storage is not ours to ask");
}
