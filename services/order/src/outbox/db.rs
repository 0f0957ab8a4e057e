//! What neighbours are still to be told.

use std::time::Duration;

use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::limit;
use crate::{
    bounds::LEASE,
    order::Line,
    outbox::{Delivery, Kind},
};

/// All that is to be told of an order, whoever else may be telling it.
pub(crate) async fn of_order(db: &PgPool, order_id: Uuid) -> sqlx::Result<Vec<Delivery>> {
    sqlx::query_as!(
        Delivery,
        r#"select d.order_id, d.kind as "kind: Kind", d.attempts, o.user_id,
                  (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                      as "lines!: Json<Vec<Line>>"
           from orders.outbox d
           join orders.orders o on o.id = d.order_id
           where d.order_id = $1 and d.rejection is null"#,
        order_id,
    )
    .fetch_all(db)
    .await
}

/// Leases what is due, the longest first.
pub(crate) async fn claim(db: &PgPool, most: usize) -> sqlx::Result<Vec<Delivery>> {
    sqlx::query_as!(
        Delivery,
        r#"with due as (
               select order_id, kind from orders.outbox
               where next_attempt_at <= now() and rejection is null
               order by next_attempt_at limit $1
               for update skip locked
           )
           update orders.outbox d
           set attempts = d.attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
           from due, orders.orders o
           where d.order_id = due.order_id and d.kind = due.kind and o.id = d.order_id
           returning d.order_id, d.kind as "kind: Kind", d.attempts, o.user_id,
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>""#,
        limit(most),
        LEASE.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// The neighbour was told.
pub(crate) async fn delivered(db: &PgPool, order_id: Uuid, kind: Kind) -> sqlx::Result<()> {
    sqlx::query!("delete from orders.outbox where order_id = $1 and kind = $2", order_id, kind.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// The neighbour will not be told, in these words.
pub(crate) async fn refused(db: &PgPool, order_id: Uuid, kind: Kind, rejection: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.outbox set rejection = $3 where order_id = $1 and kind = $2",
        order_id,
        kind.as_str(),
        rejection,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The neighbour could not be told; whoever comes after `pause` may try again.
pub(crate) async fn postpone(db: &PgPool, order_id: Uuid, kind: Kind, pause: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.outbox set next_attempt_at = now() + make_interval(secs => $3)
         where order_id = $1 and kind = $2",
        order_id,
        kind.as_str(),
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
