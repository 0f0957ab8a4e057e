//! Uses of discounts: a limit is exact, although orders use and return the discount and admins change it at the same time.

use bodega_proto::order::v1::{Discount, GetDiscountRequest};
use bodega_runtime::{database::Pool, status::violated_constraint};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::{
    rules::discount,
    test_app::{MUG, TestApp, error_reason},
};

const EXHAUSTED: &str = "discount_uses_are_within_the_limit";

/// Records the use of a discount by an order, as the statement that places orders does.
async fn use_discounts(db: &Pool, order_id: Uuid, discount_ids: &[i64]) -> sqlx::Result<()> {
    let insert = "insert into orders.order_discounts (order_id, discount_id, title, class, amount_minor)
                  select $1, id, 'Sale', 'order', 1 from unnest($2::bigint[]) as id order by id";
    sqlx::query(insert).bind(order_id).bind(discount_ids).execute(db).await.map(|_| ())
}

/// Inserts orders that can have discounts.
async fn insert_orders(db: &Pool, count: usize) -> Vec<Uuid> {
    let ids: Vec<_> = (0..count).map(|_| Uuid::now_v7()).collect();
    let insert =
        "insert into orders.orders (id, user_id, cart_version, status, total_minor, currency, placed_at)
                  select id, id, 1, 'pending', 100, 'USD', now() from unnest($1::uuid[]) as id";
    sqlx::query(insert).bind(&ids).execute(db).await.unwrap();
    ids
}

impl TestApp {
    pub(crate) async fn limited(&self, code: &str, limit: i64) -> Discount {
        let limited = Discount { usage_limit: Some(limit), ..discount(code) };
        self.create_discount(limited).await.unwrap()
    }

    /// Returns the number of uses that the discount has counted, which must be that of orders.
    pub(crate) async fn used(&self, id: i64) -> i64 {
        let request = GetDiscountRequest { id };
        let found = self.rules().get_discount(request).await.unwrap().into_inner().discount.unwrap();
        let count =
            "select count(*) from orders.order_discounts where discount_id = $1 and released_at is null";
        let uses: i64 = sqlx::query_scalar(count).bind(id).fetch_one(&self.db).await.unwrap();
        assert_eq!(found.used, uses);
        uses
    }
}

/// Returns the number of successes. All other results must be exhausted discounts.
fn successes(results: &[sqlx::Result<()>]) -> i64 {
    let is_exhausted = |error: &sqlx::Error| violated_constraint(error) == Some(EXHAUSTED);
    assert!(results.iter().all(|result| result.as_ref().err().is_none_or(is_exhausted)), "{results:?}");
    i64::try_from(results.iter().filter(|result| result.is_ok()).count()).unwrap()
}

#[tokio::test]
async fn of_200_orders_50_use_a_code_with_limit_50() {
    let app = TestApp::start().await;
    let code = app.limited("fifty", 50).await;
    let orders = insert_orders(&app.db, 200).await;
    let ids = [code.id];
    let results = join_all(orders.iter().map(|order| use_discounts(&app.db, *order, &ids)));
    assert_eq!(successes(&results.await), 50);
    assert_eq!(app.used(code.id).await, 50);
}

/// Both orders lock the discounts in the same order.
#[tokio::test]
async fn orders_with_the_same_two_codes_do_not_deadlock() {
    let app = TestApp::start().await;
    let (one, two) = (app.limited("one", 30).await, app.limited("two", 20).await);
    let orders = insert_orders(&app.db, 60).await;
    let results = join_all(orders.iter().enumerate().map(|(index, order)| {
        let ids = if index % 2 == 0 { [one.id, two.id] } else { [two.id, one.id] };
        let db = &app.db;
        async move { use_discounts(db, *order, &ids).await }
    }));
    assert_eq!(successes(&results.await), 20, "an order that cannot use one code uses none");
    assert_eq!((app.used(one.id).await, app.used(two.id).await), (20, 20));
}

#[tokio::test]
async fn a_cancelled_order_returns_its_uses() {
    let app = TestApp::start().await;
    let code = app.limited("once", 1).await;
    let unlimited = app.create_discount(discount("often")).await.unwrap();
    let user = app.user_with_cart(&[(MUG, 1)]);
    let order = app.place(user, "").await.unwrap();
    let id = order.id.parse().unwrap();
    use_discounts(&app.db, id, &[code.id, unlimited.id]).await.unwrap();
    let other = insert_orders(&app.db, 1).await[0];
    let exhausted = use_discounts(&app.db, other, &[code.id]).await.unwrap_err();
    assert_eq!(violated_constraint(&exhausted), Some(EXHAUSTED));

    app.cancel(user, &order.id).await.unwrap();
    assert_eq!((app.used(code.id).await, app.used(unlimited.id).await), (0, 0));
    use_discounts(&app.db, other, &[code.id]).await.unwrap();
    app.cancel(user, &order.id).await.unwrap();
    assert_eq!(app.used(code.id).await, 1, "a use is returned once");
}

#[tokio::test]
async fn a_limit_cannot_be_below_the_number_of_uses() {
    let app = TestApp::start().await;
    let code = app.create_discount(discount("code")).await.unwrap();
    for order in insert_orders(&app.db, 3).await {
        use_discounts(&app.db, order, &[code.id]).await.unwrap();
    }
    assert_eq!(app.used(code.id).await, 3, "uses without a limit are known, too");
    let limit = |limit| Discount { usage_limit: Some(limit), ..discount("code") };
    assert_eq!(error_reason(app.replace_discount(code.id, limit(2)).await), "invalid_field");
    let changed = app.replace_discount(code.id, limit(3)).await.unwrap();
    assert_eq!((changed.usage_limit, changed.used), (Some(3), 3));
    let other = insert_orders(&app.db, 1).await[0];
    let exhausted = use_discounts(&app.db, other, &[code.id]).await.unwrap_err();
    assert_eq!(violated_constraint(&exhausted), Some(EXHAUSTED));
}

/// While orders use a code and return their uses, its limit is removed, set and lowered.
#[tokio::test]
async fn a_limit_is_exact_while_it_changes() {
    let app = TestApp::start().await;
    for round in 0..3 {
        let code = app.limited(&format!("round-{round}"), 5).await;
        let name = code.code.clone();
        let orders = insert_orders(&app.db, 40).await;
        let uses = join_all(orders.iter().map(async |order| {
            let used = use_discounts(&app.db, *order, &[code.id]).await;
            if used.is_ok() && order.as_u128() % 3 == 0 {
                let cancel = "insert into orders.order_events (order_id, status, created_at)
                              values ($1, 'cancelled', now())";
                sqlx::query(cancel).bind(order).execute(&app.db).await.unwrap();
            }
            used
        }));
        let changes = async {
            for limit in [None, Some(12), None, Some(9), Some(15)] {
                let changed = Discount { usage_limit: limit, ..discount(&name) };
                match app.replace_discount(code.id, changed).await {
                    Ok(changed) => assert!(limit.is_none_or(|limit| changed.used <= limit), "{changed:?}"),
                    Err(status) => assert_eq!(error_reason::<()>(Err(status)), "invalid_field"),
                }
            }
        };
        let (results, ()) = tokio::join!(uses, changes);
        successes(&results);
        app.used(code.id).await;
    }
}
