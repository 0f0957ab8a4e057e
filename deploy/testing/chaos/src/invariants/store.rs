//! What the database holds, read in one snapshot. The only file of the invariants that speaks SQL, and it judges nothing.

use anyhow::Context as _;
use sqlx::{Connection as _, FromRow, PgConnection, PgPool, postgres::PgPoolOptions};
use time::OffsetDateTime;

/// What the database holds. Ids that are UUIDs are text here, as they are in JSON.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) products: Vec<Product>,
    /// In the order they were made.
    pub(super) movements: Vec<Movement>,
    pub(super) orders: Vec<Order>,
    pub(super) lines: Vec<Line>,
    pub(super) payments: Vec<Payment>,
    pub(super) keys: Vec<Key>,
    /// Of users' carts; guests' are left out.
    pub(super) cart_lines: Vec<CartLine>,
    /// What neighbours are still to be told: an order, and what of it.
    pub(super) outbox: Vec<(String, String)>,
    /// What a provider has told and nobody has applied: an event, and its kind.
    pub(super) unapplied: Vec<(String, String)>,
}

/// A product.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Product {
    pub(super) id: i32,
    /// Units that can be bought.
    pub(super) stock: i32,
    /// Whether it is no longer sold: then no list shows it.
    pub(super) archived: bool,
}

/// A change of stock.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Movement {
    pub(super) id: i64,
    pub(super) product_id: i32,
    /// Units that came; negative: that went.
    pub(super) delta: i32,
    pub(super) reason: String,
    pub(super) order_id: Option<String>,
}

/// An attempt to order, however it ended.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) user_id: String,
    /// Of the cart it was made from.
    pub(super) cart_version: i64,
    pub(super) status: String,
    /// In minor units; `None` where it is no order.
    pub(super) total_minor: Option<i64>,
    /// ISO 4217; `None` where it is no order.
    pub(super) currency: Option<String>,
    /// By the database's clock; `None` where it is no order.
    pub(super) placed_at: Option<OffsetDateTime>,
}

impl Order {
    /// Whether it became an order, be it cancelled by now.
    pub(super) fn was_placed(&self) -> bool {
        !matches!(self.status.as_str(), "placing" | "rejected")
    }

    /// Whether it is an order that has a right to its stock and its money.
    pub(super) fn is_live(&self) -> bool {
        self.was_placed() && self.status != "cancelled"
    }
}

/// A line of an attempt to order.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Line {
    pub(super) order_id: String,
    pub(super) product_id: i32,
    pub(super) quantity: i32,
}

/// An attempt to pay.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Payment {
    pub(super) order_id: String,
    pub(super) provider: String,
    pub(super) status: String,
    pub(super) intent_id: Option<String>,
}

/// What a client's key stands for.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Key {
    pub(super) user_id: String,
    pub(super) key: String,
    pub(super) order_id: String,
}

/// A line of a user's cart.
#[derive(Clone, Debug, FromRow)]
pub(super) struct CartLine {
    pub(super) user_id: String,
    pub(super) product_id: i32,
    pub(super) quantity: i32,
}

/// Everything, as it is at one moment.
///
/// # Errors
/// When the database does not answer, or is not a store's.
pub(super) async fn read(url: &str) -> anyhow::Result<Books> {
    let db = PgPoolOptions::new().max_connections(1).connect(url).await.context("no database")?;
    let books = read_all(&db).await.context("the database cannot be read");
    db.close().await;
    books
}

async fn read_all(db: &PgPool) -> sqlx::Result<Books> {
    let mut snapshot = db.begin_with("begin isolation level repeatable read read only").await?;
    let books = Books {
        products: sqlx::query_as("select id, stock, archived_at is not null as archived from catalog.products")
            .fetch_all(&mut *snapshot)
            .await?,
        movements: sqlx::query_as(
            "select id, product_id, delta, reason, order_id::text from catalog.stock_movements order by id",
        )
        .fetch_all(&mut *snapshot)
        .await?,
        orders: sqlx::query_as(
            "select id::text, user_id::text, cart_version, status, total_minor, currency, placed_at
             from orders.orders order by id",
        )
        .fetch_all(&mut *snapshot)
        .await?,
        lines: sqlx::query_as("select order_id::text, product_id, quantity from orders.order_items")
            .fetch_all(&mut *snapshot)
            .await?,
        payments: sqlx::query_as(
            "select order_id::text, provider, status, intent_id from orders.payments order by order_id, attempt",
        )
        .fetch_all(&mut *snapshot)
        .await?,
        keys: sqlx::query_as("select user_id::text, key, order_id::text from orders.idempotency_keys")
            .fetch_all(&mut *snapshot)
            .await?,
        cart_lines: sqlx::query_as(
            "select c.user_id::text, i.product_id, i.quantity
             from cart.carts c join cart.cart_items i on i.cart_id = c.id
             where c.user_id is not null",
        )
        .fetch_all(&mut *snapshot)
        .await?,
        outbox: sqlx::query_as("select order_id::text, kind from orders.outbox order by order_id, kind")
            .fetch_all(&mut *snapshot)
            .await?,
        unapplied: sqlx::query_as("select id, kind from orders.provider_events where applied_at is null order by id")
            .fetch_all(&mut *snapshot)
            .await?,
    };
    snapshot.rollback().await?;
    Ok(books)
}

/// How many pieces of work are not settled, where these intents have `succeeded` at Stripe. A payment counts once,
/// whether it is under way itself or its intent is ahead of it.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn count_unsettled(url: &str, succeeded: &[String]) -> anyhow::Result<u64> {
    let mut db = PgConnection::connect(url).await.context("no database")?;
    let count: i64 = sqlx::query_scalar(
        "select (select count(*) from orders.orders where status = 'placing')
              + (select count(*) from orders.outbox)
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
    .bind(succeeded)
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

    /// Migrations of the services whose schemas are read, beside this crate.
    const SERVICES: [(&str, &str); 3] = [("cart", "cart"), ("catalog", "catalog"), ("order", "orders")];

    /// A database with the services' own schemas, and in it an order of each kind of interest.
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
            sqlx::raw_sql(USED).execute(&mut db).await?;
            Ok(db.close().await?)
        };
        testing::database("a store's schemas", prepare).await
    }

    const USED: &str = "
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
        insert into cart.cart_items (cart_id, product_id, quantity, seen_price_minor, currency)
        select id, 1, 3, 1250, 'USD' from cart.carts";

    #[tokio::test]
    async fn everything_is_read_as_the_services_keep_it() {
        let books = read(&database().await.url()).await.unwrap();
        assert_eq!((books.products[0].stock, books.products[0].archived), (8, false));
        let movements: Vec<_> =
            books.movements.iter().map(|row| (row.delta, row.order_id.is_some())).collect();
        assert_eq!(movements, [(10, false), (-2, true)]);
        let orders: Vec<_> =
            books.orders.iter().map(|row| (row.was_placed(), row.is_live(), row.total_minor)).collect();
        assert_eq!(orders, [(true, true, Some(2500)), (false, false, None)]);
        assert_eq!(
            (books.lines[0].order_id.as_str(), books.lines[0].quantity),
            (books.orders[0].id.as_str(), 2)
        );
        assert_eq!(books.payments.len(), 4);
        assert_eq!((books.keys[0].key.as_str(), &books.keys[0].order_id), ("k", &books.orders[0].id));
        assert_eq!(books.cart_lines.len(), 1, "guests are left out");
        assert_eq!(books.outbox, [(books.orders[0].id.clone(), "clear_cart".to_owned())]);
        assert_eq!(books.unapplied, [("evt_1".to_owned(), "charge.refunded".to_owned())]);
    }

    #[tokio::test]
    async fn each_piece_of_work_that_is_left_counts_once() {
        let url = database().await.url();
        // An attempt, a message, an event and a refund.
        assert_eq!(count_unsettled(&url, &[]).await.unwrap(), 4);
        let paid = |intents: &[&str]| intents.iter().map(|intent| (*intent).to_owned()).collect::<Vec<_>>();
        assert_eq!(count_unsettled(&url, &paid(&["pi_2", "pi_4"])).await.unwrap(), 4, "these are known");
        assert_eq!(count_unsettled(&url, &paid(&["pi_1", "pi_3", "pi_5"])).await.unwrap(), 7);
    }
}
