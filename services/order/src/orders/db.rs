//! Orders as they are shown. Attempts are none, and never show.

use sqlx::{PgPool, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{order::Order, status::OrderStatus};

/// Which orders to list. Filters are joined by "and".
#[derive(Debug)]
pub(crate) struct Filter {
    pub user_id: Option<Uuid>,
    pub status: Option<OrderStatus>,
    /// Placed at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Placed before this time.
    pub to: Option<OffsetDateTime>,
    /// Placed before this order, in the order of the list.
    pub after: Option<(OffsetDateTime, Uuid)>,
    pub limit: i64,
}

/// An order of `owner`; of anybody for `None`.
pub(crate) async fn find(db: &PgPool, id: Uuid, owner: Option<Uuid>) -> sqlx::Result<Option<Order>> {
    let mut query = QueryBuilder::new(ROWS);
    query.push("id = ").push_bind(id);
    if let Some(owner) = owner {
        query.push(" and user_id = ").push_bind(owner); // someone else's order does not exist
    }
    query.push(SHOWN).build_query_as().fetch_optional(db).await
}

/// Orders, the latest first.
pub(crate) async fn list(db: &PgPool, filter: Filter) -> sqlx::Result<Vec<Order>> {
    let mut query = QueryBuilder::new(ROWS);
    query.push("placed_at is not null");
    if let Some(user_id) = filter.user_id {
        query.push(" and user_id = ").push_bind(user_id);
    }
    if let Some(status) = filter.status {
        query.push(" and status = ").push_bind(status.as_str());
    }
    if let Some(from) = filter.from {
        query.push(" and placed_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" and placed_at < ").push_bind(to);
    }
    if let Some((placed_at, id)) = filter.after {
        query.push(" and (placed_at, id) < (").push_bind(placed_at).push(", ").push_bind(id).push(")");
    }
    query.push(" order by placed_at desc, id desc limit ").push_bind(filter.limit);
    query.push(SHOWN).build_query_as().fetch_all(db).await
}

/// The rows to show are picked first, so that only theirs are put together.
const ROWS: &str = "with picked as (select * from orders.orders where ";

const SHOWN: &str = ")
    select o.id, o.user_id, o.total_minor, o.currency, o.status, o.placed_at, o.updated_at,
           (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id) as items,
           (
               select json_build_object('provider', p.provider, 'status', p.status)
               from orders.payments p where p.order_id = o.id
               order by p.status in ('completed', 'refund_pending', 'refunded') desc, p.status = 'completed' desc,
                        p.attempt desc
               limit 1
           ) as payment,
           (select json_agg(e order by e.id) from orders.order_events e where e.order_id = o.id) as history
    from picked o
    where o.placed_at is not null
    order by o.placed_at desc, o.id desc";
