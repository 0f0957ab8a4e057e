//! SQL of reviews.

use bodega_runtime::database::Pool;
use sqlx::{PgConnection, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::payments::{
    order_payments::OrderPayments,
    payment::PaymentStatus,
    provider::IntentSnapshot,
    review::{Decision, Resolution, ReviewChange, ReviewReason},
};

/// Saves the change of a review, in the transaction of the payment.
pub(super) async fn save(
    db: &mut PgConnection,
    payments: &OrderPayments,
    change: &ReviewChange,
) -> sqlx::Result<()> {
    match change {
        ReviewChange::Opened { payment_id, review } => {
            let (amount_minor, currency) = review.reported.clone().unzip();
            sqlx::query!(
                "insert into orders.payment_reviews (payment_id, order_id, provider, intent_id, reason, amount_minor,
                                                     currency)
                 select id, order_id, provider, intent_id, $3, $4, $5 from orders.payments where id = $1 and order_id = $2",
                payment_id,
                payments.order_id,
                review.reason.as_str(),
                amount_minor,
                currency,
            )
            .execute(db)
            .await?;
        }
        ReviewChange::Resolved { payment_id, decision } => {
            resolve(db, *payment_id, decision).await?;
        }
    }
    Ok(())
}

/// Resolves the open review of a payment. Returns false if there is none.
pub(crate) async fn resolve(
    db: &mut PgConnection,
    payment_id: Uuid,
    decision: &Decision,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update orders.payment_reviews set resolution = $2, note = $3, resolved_by = $4, resolved_at = now()
         where payment_id = $1 and resolved_at is null",
        payment_id,
        decision.resolution.as_str(),
        decision.note,
        decision.actor,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Opens a review of money for an order that does not exist. Returns false if there has been one.
pub(crate) async fn open_without_order(
    db: &mut PgConnection,
    provider: &str,
    (order_id, payment_id): (Uuid, Uuid),
    snapshot: &IntentSnapshot,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into orders.payment_reviews (payment_id, order_id, provider, intent_id, reason, amount_minor, currency)
         select $1, $2, $3, $4, $5, $6, $7
         where not exists (select from orders.payment_reviews where payment_id = $1)
         on conflict (payment_id) where resolved_at is null do nothing",
        payment_id,
        order_id,
        provider,
        snapshot.intent_id,
        ReviewReason::OrderMissing.as_str(),
        snapshot.amount_minor,
        snapshot.currency,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A payment as admins see it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ListedPayment {
    pub id: Uuid,
    pub order_id: Uuid,
    /// The user who placed the order; `None` for a guest, and if the order does not exist.
    pub user_id: Option<Uuid>,
    pub provider: String,
    /// `None` if the payment does not exist.
    pub status: Option<PaymentStatus>,
    pub intent_id: Option<String>,
    pub refund_id: Option<String>,
    pub amount_minor: i64,
    pub refunded_minor: i64,
    pub currency: String,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    #[sqlx(json(nullable))]
    pub review: Option<ListedReview>,
}

/// The latest review of a payment.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ListedReview {
    pub reason: ReviewReason,
    /// What the provider reports, if it is the reason.
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    pub resolution: Option<Resolution>,
    pub note: Option<String>,
    pub resolved_by: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub resolved_at: Option<OffsetDateTime>,
}

/// The filters and the page of a list.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Only payments that a person has to decide about, or only the others. Money for an order that does not exist is listed
    /// with `Some(true)` only.
    pub needs_review: Option<bool>,
    /// Lists the payments that follow this one.
    pub after: Option<Uuid>,
    pub limit: i64,
}

/// Lists payments, the latest first: their ids are UUIDv7.
pub(crate) async fn list(db: &Pool, filter: &Filter) -> sqlx::Result<Vec<ListedPayment>> {
    let (key, from) = match filter.needs_review {
        Some(true) => ("r.payment_id", FROM_REVIEWS),
        Some(false) | None => ("p.id", FROM_PAYMENTS),
    };
    let mut query = QueryBuilder::new(SELECT);
    query.push(from).push(match filter.needs_review {
        Some(true) => " where r.resolved_at is null",
        Some(false) => " where (r.id is null or r.resolved_at is not null)",
        None => " where true",
    });
    if let Some(after) = filter.after {
        query.push(" and ").push(key).push(" < ").push_bind(after);
    }
    query.push(" order by ").push(key).push(" desc limit ").push_bind(filter.limit);
    query.build_query_as().fetch_all(db).await
}

/// Returns a payment, or the money of an order that does not exist.
pub(crate) async fn find(db: &Pool, id: Uuid) -> sqlx::Result<Option<ListedPayment>> {
    for (key, from) in [("p.id", FROM_PAYMENTS), ("r.payment_id", FROM_REVIEWS)] {
        let mut query = QueryBuilder::new(SELECT);
        query
            .push(from)
            .push(" where ")
            .push(key)
            .push(" = ")
            .push_bind(id)
            .push(" order by r.id desc limit 1");
        if let Some(payment) = query.build_query_as().fetch_optional(db).await? {
            return Ok(Some(payment));
        }
    }
    Ok(None)
}

const SELECT: &str = "select coalesce(p.id, r.payment_id) as id, coalesce(p.order_id, r.order_id) as order_id,
    nullif(o.user_id, o.guest_id) as user_id,
    coalesce(p.provider, r.provider) as provider,
    case
        when p.status = 'failed' and p.cancelled then 'cancelled'
        -- In parts.
        when p.status = 'completed' and p.amount_minor > 0 and p.amount_minor = (
            select sum(f.amount_minor) from orders.refunds f where f.payment_id = p.id and f.status = 'succeeded'
        ) then 'refunded'
        else p.status
    end as status,
    coalesce(p.intent_id, r.intent_id) as intent_id, p.refund_id,
    coalesce(p.amount_minor, r.amount_minor, 0) as amount_minor,
    case when p.status = 'refunded' then p.amount_minor else coalesce(p.refunded_minor, 0) end as refunded_minor,
    coalesce(p.currency, r.currency, '') as currency,
    coalesce(p.created_at, r.created_at) as created_at,
    coalesce(greatest(p.updated_at, r.resolved_at), r.created_at) as updated_at,
    case when r.id is not null then to_json(r) end as review ";

const FROM_PAYMENTS: &str = "from orders.payments p
    left join lateral (
        select * from orders.payment_reviews where payment_id = p.id order by id desc limit 1
    ) r on true
    left join orders.orders o on o.id = p.order_id";

const FROM_REVIEWS: &str = "from orders.payment_reviews r
    left join orders.payments p on p.id = r.payment_id
    left join orders.orders o on o.id = p.order_id";
