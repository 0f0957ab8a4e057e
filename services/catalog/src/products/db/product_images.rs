//! `catalog.product_images`. Writes require that the caller has locked the product. The image cleanup deletes the
//! stored images that are removed from a product.

use bodega_media::StoredImage;
use sqlx::PgExecutor;

/// Counts the images of a product. Returns `None` if it does not exist or is archived.
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

/// Adds stored images after those that the product has.
pub(crate) async fn append(
    db: impl PgExecutor<'_>,
    product_id: i32,
    images: &[StoredImage],
) -> sqlx::Result<()> {
    let keys: Vec<_> = images.iter().map(|image| image.key.clone()).collect();
    let urls: Vec<_> = images.iter().map(|image| image.urls.url.clone()).collect();
    let thumbnail_urls: Vec<_> = images.iter().map(|image| image.urls.thumbnail_url.clone()).collect();
    sqlx::query!(
        "with last as (
             select coalesce(max(position), -1) as position from catalog.product_images where product_id = $1
         )
         insert into catalog.product_images (product_id, stored_image_key, url, thumbnail_url, position)
         select $1, key, url, thumbnail_url, last.position + ordinal::integer
         from last, unnest($2::text[], $3::text[], $4::text[])
              with ordinality as i (key, url, thumbnail_url, ordinal)
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

/// Replaces the first image with one that has this URL, or removes the first image. If the product already has an image
/// with this URL, that image becomes the first. So an unchanged first image stays as it is, and two rows never have the
/// URL of the same stored image.
pub(crate) async fn set_first(
    db: impl PgExecutor<'_>,
    product_id: i32,
    url: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with first as (
             select id, url from catalog.product_images where product_id = $1 order by position, id limit 1
         ), removed as (
             delete from catalog.product_images i using first
             where i.id = first.id and first.url is distinct from $2
             returning i.position, i.stored_image_key
         ), to_delete as (
             update catalog.stored_images s set delete_after = now()
             from removed where s.key = removed.stored_image_key
         ), moved as (
             update catalog.product_images i set position = removed.position
             from removed
             where i.id = (
                 select id from catalog.product_images
                 where product_id = $1 and url = $2
                 order by position, id
                 limit 1
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

/// Removes an image. Returns `false` if the product has no image with this id.
pub(crate) async fn remove(db: impl PgExecutor<'_>, product_id: i32, id: i64) -> sqlx::Result<bool> {
    let removed = sqlx::query_scalar!(
        r#"with removed as (
               delete from catalog.product_images where product_id = $1 and id = $2 returning stored_image_key
           ), to_delete as (
               update catalog.stored_images s set delete_after = now()
               from removed where s.key = removed.stored_image_key
           )
           select count(*) as "count!" from removed"#,
        product_id,
        id,
    )
    .fetch_one(db)
    .await?;
    Ok(removed == 1)
}

/// Removes all stored images. Images on other hosts stay.
pub(crate) async fn remove_stored(db: impl PgExecutor<'_>, product_id: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "with removed as (
             delete from catalog.product_images
             where product_id = $1 and stored_image_key is not null
             returning stored_image_key
         )
         update catalog.stored_images s set delete_after = now()
         from removed where s.key = removed.stored_image_key",
        product_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
