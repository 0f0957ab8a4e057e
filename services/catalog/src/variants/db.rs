//! `catalog.variants`, and the rows of variants in `catalog.products`.

use sqlx::{PgConnection, PgExecutor, types::Json};

use super::stored::StoredVariant;

/// A variant of a product, sold or archived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variant {
    pub(crate) id: i32,
    pub(crate) product_id: i32,
    /// Of the product.
    pub(crate) option_names: Vec<String>,
    pub(crate) sku: Option<String>,
    pub(crate) barcode: Option<String>,
    pub(crate) option_values: Vec<String>,
    pub(crate) position: i32,
    pub(crate) price_minor: i64,
    pub(crate) compare_at_minor: Option<i64>,
    pub(crate) currency: String,
    pub(crate) stock: i32,
    pub(crate) weight_grams: i32,
    pub(crate) requires_shipping: bool,
    pub(crate) tax_class: String,
    pub(crate) image_id: Option<i64>,
    /// Whether it can be ordered.
    pub(crate) is_sold: bool,
}

/// Which variants of a product are read and locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those that can be ordered.
    Sold,
    /// Also archived ones.
    All,
}

/// Returns the variants of a product that is sold, in display order.
pub(super) async fn find(
    db: impl PgExecutor<'_>,
    product_id: i32,
    scope: Scope,
) -> sqlx::Result<Vec<Variant>> {
    sqlx::query_as!(
        Variant,
        r#"select s.id, p.id as product_id, p.option_names, v.sku as "sku?", v.barcode as "barcode?",
                  coalesce(v.option_values, '{}') as "option_values!", coalesce(v.position, 0) as "position!",
                  coalesce(s.variant_price_minor, s.price_minor) as "price_minor!",
                  v.compare_at_minor as "compare_at_minor?", s.currency, s.stock,
                  coalesce(v.weight_grams, 0) as "weight_grams!",
                  coalesce(v.requires_shipping, true) as "requires_shipping!",
                  coalesce(v.tax_class, 'standard') as "tax_class!", v.image_id as "image_id?",
                  coalesce(s.is_sold, true) as "is_sold!"
           from catalog.products p
           join catalog.products s on s.id = p.id or s.variant_of = p.id
           left join catalog.variants v on v.id = s.id
           where p.id = $1 and p.archived_at is null and p.variant_of is null and ($2 or s.is_sold is not false)
           order by coalesce(v.position, 0), s.id"#,
        product_id,
        scope == Scope::All,
    )
    .fetch_all(db)
    .await
}

/// A product that is locked until the transaction ends, with its variants.
pub(super) struct LockedVariants {
    pub(super) version: i64,
    /// Number of its variants, archived ones included.
    pub(super) rows: i64,
}

/// Locks a product and its variants, in the order of their ids. Returns `None` if it does not exist or is archived.
pub(super) async fn lock(
    db: &mut PgConnection,
    product_id: i32,
    scope: Scope,
) -> sqlx::Result<Option<LockedVariants>> {
    // A statement of its own: the variants that another transaction has added are visible only after the wait for its lock. The id
    // of the product is the lowest.
    let found = sqlx::query_scalar!(
        "select id from catalog.products
         where id = $1 and archived_at is null and variant_of is null
         for no key update",
        product_id,
    )
    .fetch_optional(&mut *db)
    .await?;
    if found.is_none() {
        return Ok(None);
    }
    // The variants cannot be archived, or become more, while the product is locked.
    let locked = sqlx::query_as!(
        LockedVariants,
        r#"with locked as materialized (
               select version from catalog.products
               where id = $1 or variant_of = $1 and ($2 or is_sold)
               order by id
               for no key update
           ), others as materialized (
               select version from catalog.products where variant_of = $1 and not ($2 or is_sold) and id <> $1
           ), version as (
               select version from locked union all select version from others
           )
           select sum(version)::bigint as "version!", count(*) as "rows!" from version"#,
        product_id,
        scope == Scope::All,
    )
    .fetch_one(db)
    .await?;
    Ok(Some(locked))
}

/// Returns the product of a variant that can be ordered.
pub(super) async fn find_product(db: impl PgExecutor<'_>, variant_id: i32) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!(
        r#"select coalesce(variant_of, id) as "id!" from catalog.products where id = $1 and is_sold is not false"#,
        variant_id,
    )
    .fetch_optional(db)
    .await
}

/// Inserts rows for new variants. Returns the id of each variant.
pub(super) async fn insert_rows(
    db: impl PgExecutor<'_>,
    product_id: i32,
    currency: &str,
    ids: &[Option<i32>],
) -> sqlx::Result<Vec<i32>> {
    let count = i32::try_from(ids.iter().filter(|id| id.is_none()).count()).unwrap_or(i32::MAX);
    let mut new = Vec::new();
    if count > 0 {
        new = sqlx::query_scalar!(
            "insert into catalog.products (name, description, price_minor, stock, currency, variant_of, archived_at, is_sold)
             select p.name, '', 0, 0, $3, p.id, now(), true
             from catalog.products p, generate_series(1, $2)
             where p.id = $1
             returning id",
            product_id,
            count,
            currency,
        )
        .fetch_all(db)
        .await?;
        new.sort_unstable();
    }
    let mut new = new.into_iter();
    Ok(ids.iter().filter_map(|id| id.or_else(|| new.next())).collect())
}

/// Archives locked variants. Their stock stays in the ledger.
pub(super) async fn archive(db: &mut PgConnection, ids: &[i32]) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with variants as (
             update catalog.variants set archived_at = now(), updated_at = now() where id = any($1)
         )
         update catalog.products set is_sold = false, version = version + 1 where id = any($1)",
        ids,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes locked variants, with the differences of their stock. `has_others`: whether the product has, or had, more than one.
pub(super) async fn store(
    db: &mut PgConnection,
    product_id: i32,
    currency: &str,
    variants: &[StoredVariant<'_>],
    has_others: bool,
) -> sqlx::Result<()> {
    let lowest = variants.iter().map(|variant| variant.price_minor).min().unwrap_or_default();
    sqlx::query!(
        "with variant as materialized (
             select variant.*,
                    -- The row of the product has the lowest price, and that of the first variant beside it if it is another one.
                    case when id = $2 then $4 else price_minor end as row_price_minor,
                    case when id = $2 then nullif(price_minor, $4) end as variant_price_minor
             from jsonb_to_recordset($1) as variant (
                 id integer, sku text, barcode text, option_values text[], position integer, price_minor bigint,
                 compare_at_minor bigint, stock integer, weight_grams integer, requires_shipping boolean, tax_class text,
                 image_id bigint
             )
         ), before as materialized (
             select p.id, p.stock from catalog.products p join variant using (id)
         ), rows as (
             update catalog.products p
             set price_minor = variant.row_price_minor, variant_price_minor = variant.variant_price_minor, currency = $3,
                 stock = variant.stock, is_sold = $5, version = p.version + 1
             from variant
             where p.id = variant.id
               and (p.price_minor, p.variant_price_minor, p.currency, p.stock, p.is_sold)
                   is distinct from (variant.row_price_minor, variant.variant_price_minor, $3, variant.stock, $5)
         ), movements as (
             insert into catalog.stock_movements (product_id, delta, reason)
             select id, variant.stock - before.stock, 'adjusted'
             from before join variant using (id)
             where variant.stock <> before.stock
         )
         insert into catalog.variants as v (id, product_id, sku, barcode, option_values, position, compare_at_minor,
                                            weight_grams, requires_shipping, tax_class, image_id)
         select id, $2, sku, barcode, option_values, position, compare_at_minor, weight_grams, requires_shipping, tax_class,
                image_id
         from variant
         on conflict (id) do update
         set sku = excluded.sku, barcode = excluded.barcode, option_values = excluded.option_values,
             position = excluded.position, compare_at_minor = excluded.compare_at_minor,
             weight_grams = excluded.weight_grams, requires_shipping = excluded.requires_shipping,
             tax_class = excluded.tax_class, image_id = excluded.image_id, archived_at = null, updated_at = now()
         where v.archived_at is not null
            or (v.sku, v.barcode, v.option_values, v.position, v.compare_at_minor, v.weight_grams, v.requires_shipping,
                v.tax_class, v.image_id)
               is distinct from
               (excluded.sku, excluded.barcode, excluded.option_values, excluded.position, excluded.compare_at_minor,
                excluded.weight_grams, excluded.requires_shipping, excluded.tax_class, excluded.image_id)",
        Json(variants) as _,
        product_id,
        currency,
        lowest,
        has_others.then_some(true),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what a locked product has of its variants, and raises its version.
pub(super) async fn update_product(
    db: impl PgExecutor<'_>,
    id: i32,
    currency: &str,
    option_names: &[String],
    variants: &[StoredVariant<'_>],
) -> sqlx::Result<()> {
    let lowest = variants.iter().map(|variant| variant.price_minor).min().unwrap_or_default();
    sqlx::query!(
        "update catalog.products
         set option_names = $2, variant_count = $3, price_minor = $4, currency = $5, version = version + 1,
             updated_at = now()
         where id = $1",
        id,
        option_names,
        i32::try_from(variants.len()).unwrap_or(i32::MAX),
        lowest,
        currency,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Returns those of these SKUs that variants have which can be ordered.
pub(super) async fn taken_skus(db: impl PgExecutor<'_>, skus: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select wanted.sku as "sku!" from unnest($1::text[]) as wanted (sku)
           where exists (
               select from catalog.variants v where v.archived_at is null and lower(v.sku) = lower(wanted.sku)
           )"#,
        skus,
    )
    .fetch_all(db)
    .await
}
