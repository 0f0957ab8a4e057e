//! Invariants that the order service and the fake cart and catalog must satisfy together.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bodega_order::{STORED_TOTALS, total_difference};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::test_app::TestApp;

/// Abandoned work must be completed within this time.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(10);

impl TestApp {
    /// Waits until all work is completed, at most for [`RECOVERY_TIMEOUT`].
    pub(crate) async fn wait_until_recovered(&self) {
        let started = Instant::now();
        loop {
            let (placing, outbox): (i64, i64) = sqlx::query_as(
                "select (select count(*) from orders.orders where status = 'placing'),
                        (select count(*) from orders.outbox)",
            )
            .fetch_one(&self.db)
            .await
            .unwrap();
            if (placing, outbox) == (0, 0) {
                return;
            }
            let timed_out = started.elapsed() > RECOVERY_TIMEOUT;
            assert!(!timed_out, "{placing} orders are being placed, {outbox} deliveries are pending");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until all work is completed, and then checks the invariants.
    pub(crate) async fn assert_consistent(&self) {
        self.wait_until_recovered().await;
        self.catalog.assert_balanced();

        let live: Vec<Uuid> = sqlx::query_scalar(
            "select id from orders.orders where placed_at is not null and status <> 'cancelled' order by id",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert_eq!(self.catalog.reserved_orders(), live, "active orders have reservations, and no others do");

        let wrong: Vec<Uuid> = sqlx::query_scalar(
            "select o.id from orders.orders o
             where o.placed_at is not null and (
                 o.subtotal_minor is null
                 and o.total_minor <> (select sum(price_minor * quantity) from orders.order_items where order_id = o.id)
                 or o.status <> (select status from orders.order_events where order_id = o.id order by id desc limit 1)
                 or 'pending' <> (select status from orders.order_events where order_id = o.id order by id limit 1)
                 or exists (select from orders.order_items where order_id = o.id and price_minor is null))",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert_eq!(wrong, Vec::<Uuid>::new(), "totals and statuses match lines and events");

        self.assert_totals().await;

        let mut ordered = BTreeMap::<Uuid, BTreeMap<i32, i32>>::new();
        let lines: Vec<(Uuid, i32, i32)> = sqlx::query_as(
            "select o.user_id, i.product_id, case when o.placed_at is null then 0 else i.quantity end
             from orders.orders o join orders.order_items i on i.order_id = o.id",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        for (user, product, quantity) in lines {
            *ordered.entry(user).or_default().entry(product).or_default() += quantity;
        }
        for (user, mut accounted) in ordered {
            for (product, quantity) in self.cart.lines_of(user) {
                *accounted.entry(product).or_default() += quantity;
            }
            assert_eq!(
                accounted,
                self.cart.total_added(user),
                "every added unit is in the cart or was ordered once"
            );
        }
    }

    /// Computes all totals again, and checks that uses of discounts belong to orders that are not cancelled.
    pub(crate) async fn assert_totals(&self) {
        let stored: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(STORED_TOTALS)).fetch_all(&self.db).await.unwrap();
        let differences: Vec<_> = stored.iter().filter_map(|stored| total_difference(stored)).collect();
        assert_eq!(differences, Vec::<String>::new());

        let wrong: Vec<(i64, i64, i64)> = sqlx::query_as(
            "select d.id, d.used, count(u.order_id) from orders.discounts d
             left join orders.order_discounts u on u.discount_id = d.id and u.released_at is null
             where d.usage_limit is not null
             group by d.id having d.used <> count(u.order_id)",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert_eq!(wrong, [], "discounts, with their counted uses and their orders");
        let wrong: Vec<Uuid> = sqlx::query_scalar(
            "select o.id from orders.order_discounts u join orders.orders o on o.id = u.order_id
             where o.placed_at is null or (o.status = 'cancelled') <> (u.released_at is not null)",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert_eq!(wrong, Vec::<Uuid>::new(), "cancelled orders have returned their uses, and no others");
    }
}
