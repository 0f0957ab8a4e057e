//! `catalog.products`, with the tags and images that hang on them.

use bodega_runtime::money::Currency;
use sqlx::PgConnection;

use crate::{bulk::NewProduct, draft::Changes};

/// Makes products, with what hangs on them and their first stock; their ids, in the same order.
pub(crate) async fn insert(
    db: &mut PgConnection,
    currency: Currency,
    products: &[NewProduct],
) -> sqlx::Result<Vec<i32>> {
    let names: Vec<_> = products.iter().map(|product| product.name.clone()).collect();
    let descriptions: Vec<_> = products.iter().map(|product| product.description.clone()).collect();
    let prices: Vec<_> = products.iter().map(|product| product.price_minor).collect();
    let stocks: Vec<_> = products.iter().map(|product| product.stock).collect();
    let category_ids: Vec<_> = products.iter().map(|product| product.category_id).collect();
    let mut ids = sqlx::query_scalar!(
        "insert into catalog.products (name, description, price_minor, stock, category_id, currency)
         select name, description, price_minor, stock, category_id, $6
         from unnest($1::text[], $2::text[], $3::bigint[], $4::integer[], $5::integer[])
              with ordinality as p (name, description, price_minor, stock, category_id, ordinal)
         order by ordinal
         returning id",
        &names,
        &descriptions,
        &prices,
        &stocks,
        &category_ids as &[Option<i32>],
        currency.code(),
    )
    .fetch_all(&mut *db)
    .await?;
    // Ids are drawn in the order of the rows.
    ids.sort_unstable();

    let tagged =
        || ids.iter().zip(products).flat_map(|(id, product)| product.tag_ids.iter().map(|tag| (*id, *tag)));
    let (tagged_ids, tag_ids): (Vec<_>, Vec<_>) = tagged().unzip();
    let shown = ids.iter().zip(products).filter_map(|(id, product)| Some((*id, product.image_url.clone()?)));
    let (shown_ids, urls): (Vec<_>, Vec<_>) = shown.unzip();
    sqlx::query!(
        "with moved as (
             insert into catalog.stock_movements (product_id, delta, reason)
             select id, stock, 'initial' from unnest($1::integer[], $2::integer[]) as p (id, stock)
             where stock > 0
         ), tagged as (
             insert into catalog.product_tags (product_id, tag_id)
             select * from unnest($3::integer[], $4::integer[])
         )
         insert into catalog.product_images (product_id, url, position)
         select *, 0 from unnest($5::integer[], $6::text[])",
        &ids,
        &stocks,
        &tagged_ids,
        &tag_ids,
        &shown_ids,
        &urls,
    )
    .execute(db)
    .await?;
    Ok(ids)
}

/// A product that nobody else can change until the transaction ends.
pub(crate) struct Locked {
    pub(crate) version: i64,
    pub(crate) stock: i32,
}

/// Locks a product that is sold.
pub(crate) async fn lock(db: &mut PgConnection, id: i32) -> sqlx::Result<Option<Locked>> {
    sqlx::query_as!(
        Locked,
        "select version, stock from catalog.products where id = $1 and archived_at is null for no key update",
        id,
    )
    .fetch_optional(db)
    .await
}

/// Changes a locked product, and raises its version. Not its tags and images: see [`set_tags`] and [`super::product_images`].
///
/// A new price is in the shop's currency; `category_id` is `Some(None)` for none any more.
pub(crate) async fn update(
    db: &mut PgConnection,
    id: i32,
    changes: &Changes,
    category_id: Option<Option<i32>>,
    currency: Currency,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update catalog.products
         set name = coalesce($2, name),
             description = coalesce($3, description),
             price_minor = coalesce($4, price_minor),
             currency = case when $4::bigint is null then currency else $5 end,
             stock = coalesce($6, stock),
             category_id = case when $7 then $8 else category_id end,
             version = version + 1,
             updated_at = now()
         where id = $1",
        id,
        changes.name,
        changes.description,
        changes.price_minor,
        currency.code(),
        changes.stock,
        category_id.is_some(),
        category_id.flatten(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a product these tags and no others.
pub(crate) async fn set_tags(db: &mut PgConnection, id: i32, tag_ids: &[i32]) -> sqlx::Result<()> {
    sqlx::query!(
        "with removed as (
             delete from catalog.product_tags where product_id = $1 and tag_id <> all($2)
         )
         insert into catalog.product_tags (product_id, tag_id)
         select $1, tag_id from unnest($2::integer[]) as tag_id
         on conflict on constraint a_product_has_a_tag_once do nothing",
        id,
        tag_ids,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Raises the version of a locked product that was edited.
pub(crate) async fn touch(db: &mut PgConnection, id: i32) -> sqlx::Result<()> {
    sqlx::query!("update catalog.products set version = version + 1, updated_at = now() where id = $1", id)
        .execute(db)
        .await?;
    Ok(())
}

/// Archives a locked product. Not its pictures: see [`super::product_images::remove_pictures`].
pub(crate) async fn archive(db: &mut PgConnection, id: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "update catalog.products
         set archived_at = now(), version = version + 1, updated_at = now()
         where id = $1",
        id,
    )
    .execute(db)
    .await?;
    Ok(())
}
