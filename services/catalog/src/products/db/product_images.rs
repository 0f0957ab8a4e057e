//! `catalog.product_images`: what products show, and in which order. Whoever changes it has locked the product; pictures that
//! are not shown any more are left to be swept at once.

use bodega_media::StoredImage;
use sqlx::{PgConnection, PgExecutor};

/// How many a product has that is sold; `None` when it is not there, or archived.
pub(crate) async fn count(db: impl PgExecutor<'_>, product_id: i32) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        r#"select (select count(*) from catalog.product_images i where i.product_id = p.id) as "count!"
           from catalog.products p
           where p.id = $1 and p.archived_at is null"#,
        product_id,
    )
    .fetch_optional(db)
    .await
}

/// Adds pictures behind what a product has, in their order.
pub(crate) async fn append(db: &mut PgConnection, product_id: i32, kept: &[StoredImage]) -> sqlx::Result<()> {
    let keys: Vec<_> = kept.iter().map(|kept| kept.key.clone()).collect();
    let urls: Vec<_> = kept.iter().map(|kept| kept.urls.url.clone()).collect();
    let thumbnail_urls: Vec<_> = kept.iter().map(|kept| kept.urls.thumbnail_url.clone()).collect();
    sqlx::query!(
        "with behind as (
             select coalesce(max(position), -1) as position from catalog.product_images where product_id = $1
         )
         insert into catalog.product_images (product_id, stored_image_key, url, thumbnail_url, position)
         select $1, key, url, thumbnail_url, behind.position + ordinal::integer
         from behind, unnest($2::text[], $3::text[], $4::text[])
              with ordinality as p (key, url, thumbnail_url, ordinal)
         order by ordinal",
        product_id,
        &keys,
        &urls,
        &thumbnail_urls,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts an image in the place of the first, or takes the first away. An image that the product has already comes to the
/// front instead: so the first stays as it is, and no URL of a picture outlives it in a second row.
pub(crate) async fn set_first(db: &mut PgConnection, product_id: i32, url: Option<&str>) -> sqlx::Result<()> {
    sqlx::query!(
        "with first as (
             select id, url from catalog.product_images where product_id = $1 order by position, id limit 1
         ), removed as (
             delete from catalog.product_images i using first
             where i.id = first.id and first.url is distinct from $2
             returning i.position, i.stored_image_key
         ), swept as (
             update catalog.stored_images p set delete_after = now() from removed where p.key = removed.stored_image_key
         ), moved as (
             update catalog.product_images i set position = removed.position from removed
             where i.id = (
                 select id from catalog.product_images where product_id = $1 and url = $2 order by position, id limit 1
             )
             returning i.id
         )
         insert into catalog.product_images (product_id, url, position)
         select $1, $2, coalesce((select position from removed), 0)
         where $2::text is not null
           and not exists (select from first where first.url = $2)
           and not exists (select from moved)",
        product_id,
        url,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes an image off a product; `false` when it has none of this id.
pub(crate) async fn remove(db: &mut PgConnection, product_id: i32, id: i64) -> sqlx::Result<bool> {
    let removed = sqlx::query_scalar!(
        r#"with removed as (
               delete from catalog.product_images where product_id = $1 and id = $2 returning stored_image_key
           ), swept as (
               update catalog.stored_images p set delete_after = now() from removed where p.key = removed.stored_image_key
           )
           select count(*) as "count!" from removed"#,
        product_id,
        id,
    )
    .fetch_one(db)
    .await?;
    Ok(removed == 1)
}

/// Takes every picture off a product. Images that are kept elsewhere stay.
pub(crate) async fn remove_pictures(db: &mut PgConnection, product_id: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "with removed as (
             delete from catalog.product_images where product_id = $1 and stored_image_key is not null returning stored_image_key
         )
         update catalog.stored_images p set delete_after = now() from removed where p.key = removed.stored_image_key",
        product_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
