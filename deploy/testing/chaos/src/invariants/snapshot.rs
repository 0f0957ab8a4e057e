//! The database, read in one transaction.

use anyhow::Context as _;
use sqlx::{Connection as _, FromRow, PgConnection, PgPool, postgres::PgPoolOptions};
use time::OffsetDateTime;

/// The rows that the invariants need. UUIDs are text, as in JSON.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) products: Vec<Product>,
    /// In the order of their ids.
    pub(super) movements: Vec<Movement>,
    pub(super) orders: Vec<Order>,
    pub(super) lines: Vec<Line>,
    pub(super) payments: Vec<Payment>,
    pub(super) idempotency_keys: Vec<IdempotencyKey>,
    /// The lines of users' carts, without those of guests.
    pub(super) cart_lines: Vec<CartLine>,
    /// The order id and the kind of each pending delivery.
    pub(super) outbox: Vec<(String, String)>,
    /// The id and the kind of each provider event that is not applied.
    pub(super) unapplied_events: Vec<(String, String)>,
    /// The order id and the reason of each payment that a person has to decide about.
    pub(super) open_reviews: Vec<(String, String)>,
    pub(super) totals: Vec<Total>,
    pub(super) discounts: Vec<Discount>,
    pub(super) discount_uses: Vec<DiscountUse>,
    /// Refunds of parts.
    pub(super) refunds: Vec<Refund>,
}

/// The parts of an order's total.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Total {
    pub(super) order_id: String,
    /// The sum of the prices of its lines.
    pub(super) lines_minor: i64,
    pub(super) subtotal_minor: i64,
    pub(super) discount_minor: i64,
    pub(super) shipping_minor: i64,
    pub(super) tax_minor: i64,
    pub(super) total_minor: i64,
    pub(super) is_shipped: bool,
    pub(super) has_address: bool,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct Discount {
    pub(super) id: i64,
    pub(super) code: String,
    pub(super) used: i64,
    pub(super) usage_limit: i64,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct DiscountUse {
    pub(super) order_id: String,
    pub(super) discount_id: i64,
    pub(super) is_released: bool,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) order_id: String,
    pub(super) intent_id: Option<String>,
    pub(super) status: String,
    pub(super) amount_minor: i64,
    pub(super) idempotency_key: Option<String>,
    /// Whether the catalog or the provider is still to be called.
    pub(super) is_scheduled: bool,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct Product {
    pub(super) id: i32,
    pub(super) stock: i32,
    pub(super) archived: bool,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct Movement {
    pub(super) id: i64,
    pub(super) product_id: i32,
    pub(super) delta: i32,
    pub(super) reason: String,
    pub(super) order_id: Option<String>,
}

/// A checkout with any result. Totals and times are `None` if it has not become an order.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) cart_version: i64,
    pub(super) status: String,
    pub(super) total_minor: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) placed_at: Option<OffsetDateTime>,
}

impl Order {
    pub(super) fn was_placed(&self) -> bool {
        !matches!(self.status.as_str(), "placing" | "rejected")
    }

    /// Whether its units are out of stock and its payment, if any, is not refunded.
    pub(super) fn is_live(&self) -> bool {
        self.was_placed() && self.status != "cancelled"
    }
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct Line {
    pub(super) order_id: String,
    pub(super) product_id: i32,
    pub(super) quantity: i32,
    /// Units that refunds have returned.
    pub(super) returned_quantity: i32,
    pub(super) shipped_quantity: i32,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct Payment {
    pub(super) order_id: String,
    pub(super) provider: String,
    pub(super) status: String,
    pub(super) intent_id: Option<String>,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct IdempotencyKey {
    pub(super) user_id: String,
    pub(super) key: String,
    pub(super) order_id: String,
}

#[derive(Clone, Debug, FromRow)]
pub(super) struct CartLine {
    pub(super) user_id: String,
    pub(super) product_id: i32,
    pub(super) quantity: i32,
}

pub(super) async fn read(url: &str) -> anyhow::Result<Snapshot> {
    let pool = PgPoolOptions::new().max_connections(1);
    let db = pool.connect(url).await.context("cannot connect to the database")?;
    let snapshot = read_all(&db).await.context("cannot read the database");
    db.close().await;
    snapshot
}

async fn read_all(db: &PgPool) -> sqlx::Result<Snapshot> {
    let mut transaction = db.begin_with("begin isolation level repeatable read read only").await?;
    let snapshot = Snapshot {
        products: sqlx::query_as("select id, stock, archived_at is not null as archived from catalog.products")
            .fetch_all(&mut *transaction)
            .await?,
        movements: sqlx::query_as(
            "select id, product_id, delta, reason, order_id::text from catalog.stock_movements order by id",
        )
        .fetch_all(&mut *transaction)
        .await?,
        orders: sqlx::query_as(
            "select id::text, user_id::text, cart_version, status, total_minor, currency, placed_at
             from orders.orders order by id",
        )
        .fetch_all(&mut *transaction)
        .await?,
        lines: sqlx::query_as(
            "select order_id::text, product_id, quantity, returned_quantity, shipped_quantity from orders.order_items",
        )
        .fetch_all(&mut *transaction)
        .await?,
        totals: sqlx::query_as(
            "select o.id::text as order_id, l.minor as lines_minor, o.subtotal_minor, o.discount_minor,
                    o.shipping_minor, o.tax_minor, o.total_minor, o.shipping_title is not null as is_shipped,
                    exists (
                        select from orders.order_contacts c where c.order_id = o.id and c.details ? 'shipping_address'
                    ) as has_address
             from orders.orders o
             join lateral (
                 select sum(i.price_minor * i.quantity)::bigint as minor
                 from orders.order_items i where i.order_id = o.id
             ) l on true
             where o.subtotal_minor is not null",
        )
        .fetch_all(&mut *transaction)
        .await?,
        discounts: sqlx::query_as(
            "select id, code, used, usage_limit from orders.discounts
             where code is not null and usage_limit is not null",
        )
        .fetch_all(&mut *transaction)
        .await?,
        discount_uses: sqlx::query_as(
            "select order_id::text, discount_id, released_at is not null as is_released from orders.order_discounts",
        )
        .fetch_all(&mut *transaction)
        .await?,
        refunds: sqlx::query_as(
            "select r.id::text, r.order_id::text, p.intent_id, r.status, r.amount_minor, r.idempotency_key,
                    r.next_attempt_at is not null as is_scheduled
             from orders.refunds r join orders.payments p on p.id = r.payment_id",
        )
        .fetch_all(&mut *transaction)
        .await?,
        payments: sqlx::query_as(
            "select order_id::text, provider, status, intent_id from orders.payments order by order_id, attempt",
        )
        .fetch_all(&mut *transaction)
        .await?,
        idempotency_keys: sqlx::query_as("select user_id::text, key, order_id::text from orders.idempotency_keys")
            .fetch_all(&mut *transaction)
            .await?,
        cart_lines: sqlx::query_as(
            "select c.user_id::text, i.product_id, i.quantity
             from cart.carts c join cart.cart_items i on i.cart_id = c.id
             where c.user_id is not null",
        )
        .fetch_all(&mut *transaction)
        .await?,
        outbox: sqlx::query_as("select order_id::text, kind from orders.outbox order by order_id, kind")
            .fetch_all(&mut *transaction)
            .await?,
        unapplied_events: sqlx::query_as(
            "select id, kind from orders.provider_events where applied_at is null order by id",
        )
        .fetch_all(&mut *transaction)
        .await?,
        open_reviews: sqlx::query_as(
            "select order_id::text, reason from orders.payment_reviews where resolved_at is null order by id",
        )
        .fetch_all(&mut *transaction)
        .await?,
    };
    transaction.rollback().await?;
    Ok(snapshot)
}

/// Counts unfinished orders, payments, deliveries and events. A payment counts once if it is open, or if its intent is
/// among the `succeeded_intents` while the payment is not.
pub(super) async fn count_pending_work(url: &str, succeeded_intents: &[String]) -> anyhow::Result<u64> {
    let mut db = PgConnection::connect(url).await.context("cannot connect to the database")?;
    let count: i64 = sqlx::query_scalar(
        "select (select count(*) from orders.orders where status = 'placing')
              + (select count(*) from orders.outbox)
              + (select count(*) from orders.refunds where next_attempt_at is not null)
              + (select count(*) from orders.provider_events where applied_at is null)
              + (
                  select count(*) from orders.payments
                  where status in ('processing', 'refund_pending')
                     or status in ('requires_payment', 'failed') and intent_id = any ($1)
              )
              + (
                  select count(*) from unnest($1) as intent
                  where not exists (select from orders.payments p where p.intent_id = intent)
              )",
    )
    .bind(succeeded_intents)
    .fetch_one(&mut db)
    .await?;
    db.close().await?;
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use bodega_embedded_postgres::testing::{self, TestDatabase};

    use super::*;

    /// Services and their schemas.
    const SERVICES: [(&str, &str); 3] = [("cart", "cart"), ("catalog", "catalog"), ("order", "orders")];

    /// Creates a database with the services' migrations and [`ROWS`].
    async fn database() -> TestDatabase {
        let prepare = |url: String| async move {
            let mut db = PgConnection::connect(&url).await?;
            for (service, schema) in SERVICES {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join(format!("../../../services/{service}/migrations"));
                let mut files: Vec<_> =
                    fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<anyhow::Result<_>>()?;
                files.sort();
                sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create schema {schema}")))
                    .execute(&mut db)
                    .await?;
                for file in files {
                    sqlx::raw_sql(sqlx::AssertSqlSafe(fs::read_to_string(file)?)).execute(&mut db).await?;
                }
            }
            sqlx::raw_sql(ROWS).execute(&mut db).await?;
            Ok(db.close().await?)
        };
        testing::database("a store's schemas", prepare).await
    }

    const ROWS: &str = "
        insert into catalog.products (name, description, price_minor, currency, stock) values ('Mug', '', 1250, 'USD', 8);
        insert into catalog.stock_movements (product_id, delta, reason, order_id) values
            (1, 10, 'initial', null), (1, -2, 'reserved', '00000000-0000-0000-0000-00000000000a');
        insert into orders.orders (id, user_id, cart_version, status, total_minor, currency, placed_at, lease_until,
                                   recover_at) values
            ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001', 3, 'pending', 2500, 'USD',
             now(), null, null),
            ('00000000-0000-0000-0000-00000000000b', '00000000-0000-0000-0000-000000000001', 4, 'placing', null, null,
             null, now(), now());
        insert into orders.order_items (order_id, product_id, quantity, quoted_price_minor) values
            ('00000000-0000-0000-0000-00000000000a', 1, 2, 1250);
        insert into orders.payments (id, order_id, attempt, provider, status, amount_minor, currency, intent_id)
        select gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', attempt, 'stripe', status, 2500, 'USD', intent
        from (values (1, 'failed', 'pi_1'), (2, 'refund_pending', 'pi_2'), (3, 'requires_payment', 'pi_3'),
                     (4, 'completed', 'pi_4')) as payment (attempt, status, intent);
        insert into orders.idempotency_keys (user_id, key, order_id) values
            ('00000000-0000-0000-0000-000000000001', 'k', '00000000-0000-0000-0000-00000000000a');
        insert into orders.outbox (order_id, kind, next_attempt_at) values
            ('00000000-0000-0000-0000-00000000000a', 'clear_cart', now());
        insert into orders.provider_events (provider, id, kind, own_account, intent_snapshot, next_attempt_at) values
            ('stripe', 'evt_1', 'charge.refunded', true, '{}', now());
        insert into cart.carts (id, user_id, guest_token_hash) values
            (gen_random_uuid(), '00000000-0000-0000-0000-000000000001', null),
            (gen_random_uuid(), null, sha256('a guest'));
        insert into cart.cart_items (cart_id, product_id, quantity, quoted_price_minor, currency)
        select id, 1, 3, 1250, 'USD' from cart.carts";

    #[tokio::test]
    async fn reads_the_tables_of_the_services() {
        let snapshot = read(&database().await.url()).await.unwrap();
        assert_eq!((snapshot.products[0].stock, snapshot.products[0].archived), (8, false));
        let movements: Vec<_> =
            snapshot.movements.iter().map(|row| (row.delta, row.order_id.is_some())).collect();
        assert_eq!(movements, [(10, false), (-2, true)]);
        let orders: Vec<_> =
            snapshot.orders.iter().map(|row| (row.was_placed(), row.is_live(), row.total_minor)).collect();
        assert_eq!(orders, [(true, true, Some(2500)), (false, false, None)]);
        let order = &snapshot.orders[0].id;
        assert_eq!((&snapshot.lines[0].order_id, snapshot.lines[0].quantity), (order, 2));
        assert_eq!(snapshot.payments.len(), 4);
        let key = &snapshot.idempotency_keys[0];
        assert_eq!((key.key.as_str(), &key.order_id), ("k", order));
        assert_eq!(snapshot.cart_lines.len(), 1, "without guests");
        assert_eq!(snapshot.outbox, [(order.clone(), "clear_cart".to_owned())]);
        assert_eq!(snapshot.unapplied_events, [("evt_1".to_owned(), "charge.refunded".to_owned())]);
    }

    #[tokio::test]
    async fn counts_each_piece_of_pending_work_once() {
        let url = database().await.url();
        // An order, a delivery, an event and a refund.
        assert_eq!(count_pending_work(&url, &[]).await.unwrap(), 4);
        let intents =
            |intents: &[&str]| intents.iter().map(|intent| (*intent).to_owned()).collect::<Vec<_>>();
        let processed = intents(&["pi_2", "pi_4"]);
        assert_eq!(count_pending_work(&url, &processed).await.unwrap(), 4, "the database has their results");
        let unprocessed = intents(&["pi_1", "pi_3", "pi_5"]);
        assert_eq!(count_pending_work(&url, &unprocessed).await.unwrap(), 7);
    }
}
