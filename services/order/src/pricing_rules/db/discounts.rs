use sqlx::{PgConnection, PgExecutor};

use crate::pricing_rules::discount::{Class, Discount, NewDiscount};

/// Returns up to `limit` discounts that match all filters, newest first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    id: Option<i64>,
    code: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<Discount>> {
    let rows = sqlx::query!(
        r#"select d.id, d.code, d.title, d.class as "class: Class", d.rate_ppm, d.amount_minor, d.min_subtotal_minor,
                  d.product_ids, d.category_ids, d.once_per_customer, d.usage_limit, d.starts_at, d.ends_at, d.active,
                  d.created_at,
                  case
                      when d.usage_limit is not null then d.used
                      else (
                          select count(*) from orders.order_discounts o
                          where o.discount_id = d.id and o.released_at is null
                      )
                  end as "used!"
           from orders.discounts d
           where d.archived_at is null and ($1::bigint is null or d.id = $1) and ($2::text is null or d.code = $2)
             and ($3::bigint is null or d.id < $3)
           order by d.id desc
           limit $4"#,
        id,
        code,
        before,
        limit,
    )
    .fetch_all(db)
    .await?;
    let discounts = rows.into_iter().map(|row| Discount {
        id: row.id,
        chosen: NewDiscount {
            code: row.code,
            title: row.title,
            class: row.class,
            rate_ppm: row.rate_ppm,
            amount_minor: row.amount_minor,
            min_subtotal_minor: row.min_subtotal_minor,
            product_ids: row.product_ids,
            category_ids: row.category_ids,
            once_per_customer: row.once_per_customer,
            usage_limit: row.usage_limit,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            active: row.active,
        },
        used: row.used,
        created_at: row.created_at,
    });
    Ok(discounts.collect())
}

/// Locks a discount, so that no order can use it until the transaction ends. Returns false if it does not exist.
pub(crate) async fn lock(db: &mut PgConnection, id: i64) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        "select id from orders.discounts where id = $1 and archived_at is null for update",
        id,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// Returns the number of uses of a discount that was locked before by another statement.
pub(crate) async fn count_uses(db: &mut PgConnection, id: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from orders.order_discounts
           where discount_id = $1 and released_at is null"#,
        id,
    )
    .fetch_one(db)
    .await
}

/// Returns the number of discounts that apply without a code.
pub(crate) async fn count_automatic(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from orders.discounts where code is null and archived_at is null"#
    )
    .fetch_one(db)
    .await
}

pub(crate) async fn insert(db: &mut PgConnection, chosen: &NewDiscount) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "insert into orders.discounts (code, title, class, rate_ppm, amount_minor, min_subtotal_minor, product_ids,
                                       category_ids, once_per_customer, usage_limit, starts_at, ends_at, active)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         returning id",
        chosen.code,
        chosen.title,
        chosen.class.as_str(),
        chosen.rate_ppm,
        chosen.amount_minor,
        chosen.min_subtotal_minor,
        &chosen.product_ids,
        &chosen.category_ids,
        chosen.once_per_customer,
        chosen.usage_limit,
        chosen.starts_at,
        chosen.ends_at,
        chosen.active,
    )
    .fetch_one(db)
    .await
}

/// Replaces what admins choose, and corrects the number of uses, which are not counted without a limit.
pub(crate) async fn update(
    db: &mut PgConnection,
    id: i64,
    chosen: &NewDiscount,
    used: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.discounts
         set code = $2, title = $3, class = $4, rate_ppm = $5, amount_minor = $6, min_subtotal_minor = $7,
             product_ids = $8, category_ids = $9, once_per_customer = $10, usage_limit = $11, starts_at = $12,
             ends_at = $13, active = $14, used = $15
         where id = $1",
        id,
        chosen.code,
        chosen.title,
        chosen.class.as_str(),
        chosen.rate_ppm,
        chosen.amount_minor,
        chosen.min_subtotal_minor,
        &chosen.product_ids,
        &chosen.category_ids,
        chosen.once_per_customer,
        chosen.usage_limit,
        chosen.starts_at,
        chosen.ends_at,
        chosen.active,
        used,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn archive(db: &mut PgConnection, id: i64) -> sqlx::Result<()> {
    sqlx::query!("update orders.discounts set archived_at = now() where id = $1", id).execute(db).await?;
    Ok(())
}
