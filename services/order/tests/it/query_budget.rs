//! The number of SQL statements of each call.

use std::{fmt::Debug, time::Duration};

use bodega_embedded_postgres::testing::statements::count;
use bodega_proto::order::v1::{
    CheckoutContact, CheckoutForm, Discount, GetQuoteRequest, ListAllOrdersRequest, ListOrdersRequest,
    OrderStatus, ShippingBasis,
};
use bodega_stripe_double::Card;
use time::OffsetDateTime;

use crate::{
    rules::{discount, form},
    stripe::StripeApp,
    test_app::{HAT, MUG, MUG_PRICE, PEN, TestApp, error_reason},
};

/// Returns the result of `call` and checks that it executes at most `budget` statements.
async fn within<T: Debug>(budget: usize, call: impl Future<Output = T>) -> T {
    let (result, statements) = count(call).await;
    assert!((1..=budget).contains(&statements), "{statements} statements instead of {budget}: {result:?}");
    result
}

#[tokio::test]
async fn each_call_stays_within_its_query_budget() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1), (PEN, 2)]);
    let order = within(4, app.place(user, "key")).await.unwrap();
    within(2, app.place(user, "key")).await.unwrap();
    app.add_to_cart(user, &[(MUG, 1)]);
    within(4, app.place(user, "")).await.unwrap();

    within(1, app.get(&order.id)).await;
    within(1, app.client(user).list_orders(ListOrdersRequest::default())).await.unwrap();
    let numbered = ListAllOrdersRequest { number: Some(order.number), ..Default::default() };
    within(1, app.admin().list_all_orders(numbered)).await.unwrap();
    // The change of an admin is in the audit log, in the same transaction.
    within(6, app.update_status(&order.id, OrderStatus::Paid)).await.unwrap();
    // Including the refund: the payments are loaded, and saved twice.
    within(13, app.cancel(user, &order.id)).await.unwrap();

    app.add_to_cart(user, &[(MUG, 1)]);
    assert_eq!(error_reason(within(4, app.place_expecting(user, "", MUG_PRICE + 1)).await), "price_changed");
    app.add_to_cart(user, &[(HAT, 1)]);
    assert_eq!(error_reason(within(3, app.place(user, "")).await), "out_of_stock");
}

#[tokio::test]
async fn the_rules_of_a_store_take_one_statement() {
    let app = TestApp::start().await;
    app.create_discount(discount("")).await.unwrap();
    let user = app.user_with_cart(&[(MUG, 1)]);
    let order = within(5, app.place(user, "")).await.unwrap();
    assert_eq!(order.total_minor, MUG_PRICE * 9 / 10);
    app.add_to_cart(user, &[(MUG, 1)]);
    within(1, app.client(user).get_quote(GetQuoteRequest::default())).await.unwrap();
}

/// An order takes four statements as above, and one more for all rules.
#[tokio::test]
async fn a_form_taxes_shipping_and_discounts_take_no_statement_more_than_the_rules() {
    let app = TestApp::start().await;
    app.set_taxes(&[("standard", 190_000)]).await;
    let method = app.create_shipping_method(ShippingBasis::Weight, &[(0, 490)]).await;
    let limited = Discount { usage_limit: Some(5), once_per_customer: true, ..discount("SPRING") };
    app.create_discount(limited).await.unwrap();
    app.create_discount(Discount { rate_ppm: Some(1), ..discount("") }).await.unwrap();
    let user = app.user_with_cart(&[(MUG, 1), (PEN, 2)]);
    let form = CheckoutForm {
        contact: Some(CheckoutContact { email: "ada@example.com".to_owned(), ..Default::default() }),
        note: "Ring twice".to_owned(),
        ..form(Some(method), &["SPRING"])
    };
    let quoted = within(1, app.quote(user, form.clone())).await.unwrap();
    assert_eq!((app.cart.priced_snapshot_count(), app.catalog.calls()), (1, (0, 0)));
    let order = within(5, app.place_form(user, "key", form.clone())).await.unwrap();
    assert_eq!(
        (order.total_minor, order.breakdown.as_ref()),
        (quoted.total_minor, quoted.breakdown.as_ref())
    );
    within(2, app.place_form(user, "key", form)).await.unwrap();
    app.assert_totals().await;
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let mut app = StripeApp::start().await;
    // The tables are so small that the planner would prefer sequential scans to indexes.
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&app.db).await.unwrap();
    let alter = format!(r#"alter database "{name}" set enable_seqscan = off"#);
    sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&app.db).await.unwrap();
    restart(&mut app).await;
    sqlx::query("select pg_stat_reset()").execute(&app.db).await.unwrap();

    let paid = app.paid_order().await;
    app.cancel(paid.user_id.parse().unwrap(), &paid.id).await.unwrap();
    let declined = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&declined).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    app.stripe.delivered().await;
    app.create_intent(&declined).await.unwrap();
    let client = app.client(declined.user_id.parse().unwrap());
    { client }.list_orders(ListOrdersRequest::default()).await.unwrap();
    restart(&mut app).await;

    let scanned: Vec<(String, i64)> = sqlx::query_as(
        "select relname::text, seq_scan from pg_stat_user_tables where schemaname = 'orders' and seq_scan > 0",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(scanned, []);
}

/// Restarts the service and closes its old connections, which makes them report their statistics. Webhook requests still
/// go to the first replica, which reconnects.
async fn restart(app: &mut TestApp) {
    let restarted_at: OffsetDateTime =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&app.db).await.unwrap();
    app.restart().await;
    let close = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and application_name = 'bodega-order' and backend_start < $1";
    let started = std::time::Instant::now();
    while sqlx::query_scalar::<_, i64>(close).bind(restarted_at).fetch_one(&app.db).await.unwrap() > 0 {
        assert!(started.elapsed() < Duration::from_secs(30), "old connections stay open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
