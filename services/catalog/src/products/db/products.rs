//! `catalog.products`, `catalog.product_tags` and the views `catalog.product_view` and `catalog.variant_view`.

use bodega_runtime::money::Currency;
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::products::product::{Image, NewProduct, Product, ProductUpdate, ProductVariant, Tag};

/// Returns the variants with these ids, ordered by id, archived ones included. Each has its own price and stock, and all else of its
/// product.
pub(crate) async fn find_variants(db: impl PgExecutor<'_>, ids: &[i32]) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as!(
        Product,
        r#"select id as "id!", name as "name!", description as "description!", price_minor as "price_minor!",
                  currency as "currency!", stock as "stock!", version as "version!", archived as "archived!",
                  created_at as "created_at!", updated_at as "updated_at!", category_id, category_name,
                  tags as "tags!: Json<Vec<Tag>>", images as "images!: Json<Vec<Image>>", price_max_minor,
                  option_names as "option_names!", variant_count as "variant_count!",
                  variants as "variants!: Json<Vec<ProductVariant>>"
           from catalog.variant_view
           where id = any($1)
           order by id"#,
        ids,
    )
    .fetch_all(db)
    .await
}

/// Returns the product with this id, archived or not. Unlike that of [`find_variants`], its plan does not depend on the value, so
/// that Postgres keeps it.
pub(crate) async fn find(db: impl PgExecutor<'_>, id: i32) -> sqlx::Result<Option<Product>> {
    sqlx::query_as!(
        Product,
        r#"select id as "id!", name as "name!", description as "description!", price_minor as "price_minor!",
                  currency as "currency!", stock as "stock!", version as "version!", archived as "archived!",
                  created_at as "created_at!", updated_at as "updated_at!", category_id, category_name,
                  tags as "tags!: Json<Vec<Tag>>", images as "images!: Json<Vec<Image>>", price_max_minor,
                  option_names as "option_names!", variant_count as "variant_count!",
                  variants as "variants!: Json<Vec<ProductVariant>>"
           from catalog.product_view
           where id = $1"#,
        id,
    )
    .fetch_optional(db)
    .await
}

/// Inserts products with their tags, first image and stock movement. Returns their ids in the same order.
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
    // Ids are generated in the order of the rows, but may be returned in another one.
    ids.sort_unstable();

    let tags =
        ids.iter().zip(products).flat_map(|(id, product)| product.tag_ids.iter().map(|tag| (*id, *tag)));
    let (tag_product_ids, tag_ids): (Vec<_>, Vec<_>) = tags.unzip();
    let images = ids.iter().zip(products).filter_map(|(id, product)| Some((*id, product.image_url.clone()?)));
    let (image_product_ids, image_urls): (Vec<_>, Vec<_>) = images.unzip();
    sqlx::query!(
        "with new_stock_movements as (
             insert into catalog.stock_movements (product_id, delta, reason)
             select id, stock, 'initial' from unnest($1::integer[], $2::integer[]) as p (id, stock)
             where stock > 0
         ), new_product_tags as (
             insert into catalog.product_tags (product_id, tag_id)
             select * from unnest($3::integer[], $4::integer[])
         )
         insert into catalog.product_images (product_id, url, position)
         select *, 0 from unnest($5::integer[], $6::text[])",
        &ids,
        &stocks,
        &tag_product_ids,
        &tag_ids,
        &image_product_ids,
        &image_urls,
    )
    .execute(db)
    .await?;
    Ok(ids)
}

/// A product that is locked until the transaction ends.
pub(crate) struct LockedProduct {
    /// With those of its variants.
    pub(crate) version: i64,
    /// Number of variants that can be ordered. If there is one, it is locked too.
    pub(crate) variant_count: i32,
    /// The row of the only variant, which has its price and stock: usually that of the product.
    pub(crate) only_variant_id: i32,
    /// Of the only variant.
    pub(crate) stock: i32,
}

/// Locks a product, and its variant if it has only one. Returns `None` if it does not exist or is archived.
pub(crate) async fn lock(db: &mut PgConnection, id: i32) -> sqlx::Result<Option<LockedProduct>> {
    let product = sqlx::query!(
        r#"select p.stock, p.variant_count, p.is_sold is false as "is_first_archived!",
                  p.version + coalesce(
                      (select sum(s.version) from catalog.products s where s.variant_of = p.id), 0
                  )::bigint as "version!"
           from catalog.products p
           where p.id = $1 and p.archived_at is null
           for no key update of p"#,
        id,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(product) = product else { return Ok(None) };
    let locked = LockedProduct {
        version: product.version,
        variant_count: product.variant_count,
        only_variant_id: id,
        stock: product.stock,
    };
    if product.variant_count > 1 || !product.is_first_archived {
        return Ok(Some(locked));
    }
    // The first variant is archived, and another one is sold. A sale locks only the row of this one, and changes its version.
    let only = sqlx::query_as!(
        LockedProduct,
        r#"with sold as materialized (
               select id, stock, version from catalog.products where variant_of = $1 and is_sold for no key update
           )
           select sold.id as only_variant_id, sold.stock, $2::integer as "variant_count!",
                  sold.version + (
                      select sum(s.version) from catalog.products s
                      where (s.id = $1 or s.variant_of = $1) and s.id <> sold.id
                  )::bigint as "version!"
           from sold"#,
        id,
        product.variant_count,
    )
    .fetch_optional(db)
    .await?;
    Ok(Some(only.unwrap_or(locked)))
}

/// Updates a locked product and raises its version; a new price is in `currency`. Price and stock are also those of its only variant,
/// which has this id. Does not write the product's tags, images and stock movement.
pub(crate) async fn update(
    db: impl PgExecutor<'_>,
    id: i32,
    only_variant_id: i32,
    update: &ProductUpdate,
    currency: Currency,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with variant as (
             update catalog.products
             set price_minor = coalesce($4, price_minor),
                 currency = case when $4::bigint is null then currency else $5 end,
                 stock = coalesce($6, stock),
                 version = version + 1
             where id = $9 and id <> $1 and ($4::bigint is not null or $6::integer is not null)
         ), details as (
             -- A former price in another currency.
             update catalog.variants v set compare_at_minor = null, updated_at = now()
             from catalog.products p
             where p.id = $1 and v.id = $9 and v.compare_at_minor is not null
               and $4::bigint is not null and p.currency <> $5
         )
         update catalog.products
         set name = coalesce($2, name),
             description = coalesce($3, description),
             price_minor = coalesce($4, price_minor),
             currency = case when $4::bigint is null then currency else $5 end,
             stock = case when $9 = $1 then coalesce($6, stock) else stock end,
             category_id = case when $7 then $8 else category_id end,
             version = version + 1,
             updated_at = now()
         where id = $1",
        id,
        update.name,
        update.description,
        update.price_minor,
        currency.code(),
        update.stock,
        update.category_id.is_some(),
        update.category_id.flatten(),
        only_variant_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records that the stock of a product was set to another amount.
pub(crate) async fn record_stock_adjustment(
    db: impl PgExecutor<'_>,
    product_id: i32,
    delta: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into catalog.stock_movements (product_id, delta, reason) values ($1, $2, 'adjusted')",
        product_id,
        delta,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces the tags of a locked product.
pub(crate) async fn set_tags(db: impl PgExecutor<'_>, id: i32, tag_ids: &[i32]) -> sqlx::Result<()> {
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

/// Raises the version of a locked product whose images changed.
pub(crate) async fn raise_version(db: impl PgExecutor<'_>, id: i32) -> sqlx::Result<()> {
    sqlx::query!("update catalog.products set version = version + 1, updated_at = now() where id = $1", id)
        .execute(db)
        .await?;
    Ok(())
}

/// Archives a locked product. Does not remove its images.
pub(crate) async fn archive(db: impl PgExecutor<'_>, id: i32) -> sqlx::Result<()> {
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
