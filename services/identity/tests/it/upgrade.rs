//! Data of earlier versions.

use bodega_embedded_postgres::testing::{TempDir, database};
use sqlx::{Connection as _, PgConnection};

use crate::{
    pictures::png,
    shop::{PASSWORD, Shop, settings},
};

#[tokio::test]
async fn what_an_account_showed_before_pictures_were_kept_it_still_shows() {
    let before = database("empty", |_| async { Ok(()) }).await;
    let mut db = PgConnection::connect(&before.url()).await.unwrap();
    sqlx::raw_sql("create schema identity").execute(&mut db).await.unwrap();
    sqlx::raw_sql(include_str!("../../migrations/0001_init.sql")).execute(&mut db).await.unwrap();
    sqlx::query(
        "insert into identity.users (id, name, name_key, email, email_key, password_hash, avatar_url, deleted_at)
         values (gen_random_uuid(), 'Ada', 'ada', 'ada@example.org', 'ada@example.org', $1,
                 'https://pictures.example/ada', null),
                (gen_random_uuid(), '', '', null, null, null, '', now())",
    )
    .bind(bcrypt::hash(PASSWORD, 4).unwrap())
    .execute(&mut db)
    .await
    .unwrap();
    sqlx::raw_sql(include_str!("../../migrations/0002_pictures.sql")).execute(&mut db).await.unwrap();

    let pictures = TempDir::new("pictures").unwrap();
    let shop = Shop::on(before.into(), pictures.into(), settings()).await;
    let session = shop.login("ada@example.org").await.unwrap();
    let ada = session.user.clone().unwrap();
    assert_eq!(ada.avatar_url, "https://pictures.example/ada");
    assert_eq!(ada.avatar_thumbnail_url, ada.avatar_url);

    shop.set_avatar(&session, &png(8, 1)).await.unwrap();
    assert_eq!(shop.files(), shop.shown().await);
    assert_eq!(shop.remove_avatar(&session).await.unwrap().avatar_url, "");
}
