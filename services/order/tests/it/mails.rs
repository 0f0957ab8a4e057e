//! Mails about orders.

use std::collections::BTreeSet;

use bodega_mail::testing::{Fault, SmtpServer};
use bodega_order::{OrderMail, OrderMailArgs, RequireVerifiedEmail};
use bodega_proto::order::v1::{OrderStatus, ShippingBasis, StoreSettings};
use uuid::Uuid;

use crate::{
    fake_contacts::address,
    returns::returning,
    rules::{discount, form},
    test_app::{MUG, PEN, TestApp, error_reason},
};

async fn start(server: &SmtpServer, notify: Option<&str>) -> TestApp {
    let args = OrderMailArgs { mail_notify: notify.map(|to| to.parse().unwrap()), ..Default::default() };
    TestApp::with_mail(OrderMail { mailer: Some(server.mailer()), args }).await
}

/// The number of mails that are neither sent nor rejected.
async fn unsent(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from orders.mails where sent_at is null and rejection is null")
        .fetch_one(&app.db)
        .await
        .unwrap()
}

/// Waits until all mails are sent or rejected.
async fn wait_for_mails(app: &TestApp) {
    let started = std::time::Instant::now();
    while unsent(app).await > 0 {
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "a mail is not sent");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn each_change_of_an_order_is_mailed_once() {
    let server = SmtpServer::start().await;
    let app = start(&server, Some("owner@shop.example")).await;
    let user = app.user_with_cart(&[(MUG, 2), (PEN, 1)]);
    let order = app.place(user, "").await.unwrap();
    app.update_status(&order.id, OrderStatus::Paid).await.unwrap();
    app.update_status(&order.id, OrderStatus::Shipped).await.unwrap();
    let cancelled = app.new_order(&[(PEN, 1)]).await;
    app.update_status(&cancelled.id, OrderStatus::Cancelled).await.unwrap();

    let to = address(user);
    let mails = server.wait_for(3, |mail| mail.recipients[0].contains(&to)).await;
    let mut subjects: Vec<_> = mails.iter().map(|mail| mail.header("Subject")).collect();
    subjects.sort();
    let number = order.number;
    assert_eq!(
        subjects,
        [
            format!("We received your payment for order {number}"),
            format!("Your order {number}"),
            format!("Your order {number} is on its way"),
        ]
    );
    let confirmation = mails.iter().find(|mail| mail.header("Subject") == format!("Your order {number}"));
    let text = &confirmation.unwrap().data;
    assert!(text.contains("2 x Mug: USD 20.00") && text.contains("Total: USD 22.50"), "{text}");
    server.wait_for(1, |mail| mail.header("Subject").ends_with("was cancelled")).await;
    let notices = server.wait_for(2, |mail| mail.recipients[0].contains("owner@shop.example")).await;
    assert!(notices.iter().all(|mail| mail.header("Subject").starts_with("New order")));
    wait_for_mails(&app).await;
    let received = server.received();
    let mut ids: Vec<_> = received.iter().map(|mail| mail.id()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), received.len()), (7, 7), "{received:?}");
}

#[tokio::test]
async fn the_lines_of_a_mail_add_up_to_the_total() {
    let server = SmtpServer::start().await;
    let app = start(&server, Some("owner@shop.example")).await;
    app.set_taxes(&[("standard", 190_000)]).await;
    let method = app.create_shipping_method(ShippingBasis::Flat, &[(0, 490)]).await;
    app.create_discount(discount("SPRING")).await.unwrap();
    for (prices_include_tax, lines) in [
        (false, "Discount: -USD 2.25\r\nShipping: USD 4.90\r\nTax: USD 4.78\r\nTotal: USD 29.93\r\n\r\n"),
        (
            true,
            "Discount: -USD 2.25\r\nShipping: USD 4.90\r\nTotal: USD 25.15\r\nIncluded tax: USD 4.02\r\n\r\n",
        ),
    ] {
        app.set_settings(StoreSettings { prices_include_tax, ..Default::default() }).await;
        let user = app.user_with_cart(&[(MUG, 2), (PEN, 1)]);
        let order = app.place_form(user, "", form(Some(method), &["SPRING"])).await.unwrap();
        app.update_status(&order.id, OrderStatus::Paid).await.unwrap();
        app.update_status(&order.id, OrderStatus::Shipped).await.unwrap();
        let number = order.number;
        let expected = format!("2 x Mug: USD 20.00\r\n1 x Pen: USD 2.50\r\n{lines}");
        for subject in [format!("Your order {number}"), format!("Your order {number} is on its way")] {
            let mails = server.wait_for(1, |mail| mail.header("Subject") == subject).await;
            assert!(mails[0].data.contains(&expected), "{}", mails[0].data);
        }
    }
}

#[tokio::test]
async fn a_cancelled_order_that_was_refunded_in_parts_has_no_mail_about_nothing() {
    let server = SmtpServer::start().await;
    let app = start(&server, None).await;
    let order = app.new_order(&[(MUG, 2)]).await;
    app.update_status(&order.id, OrderStatus::Paid).await.unwrap();
    for _ in 0..2 {
        app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
    }
    app.update_status(&order.id, OrderStatus::Cancelled).await.unwrap();
    wait_for_mails(&app).await;
    let received = server.received();
    let texts: Vec<_> = received.iter().filter(|mail| mail.data.contains("refunded USD")).collect();
    assert_eq!(texts.len(), 2, "{received:?}");
    assert!(texts.iter().all(|mail| mail.data.contains("refunded USD 10.00")), "{texts:?}");
    let discarded: Vec<String> =
        sqlx::query_scalar("select kind from orders.mails where discarded").fetch_all(&app.db).await.unwrap();
    assert_eq!(discarded, ["payment_refunded"]);
}

#[tokio::test]
async fn orders_are_placed_while_the_smtp_server_hangs() {
    let server = SmtpServer::start().await;
    server.set_fault(Fault::HangAtRecipient);
    let app = start(&server, None).await;
    app.new_order(&[(PEN, 1)]).await;
    server.wait_for_attempts(0).await;
    for _ in 0..5 {
        app.new_order(&[(PEN, 1)]).await;
    }
    assert_eq!(unsent(&app).await, 6);
    server.set_fault(Fault::None);
    let started = std::time::Instant::now();
    let mut subjects = BTreeSet::new();
    while subjects.len() < 6 {
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "only {subjects:?}");
        // Repeated, since the attempt that hangs may fail after this, which postpones its mail by a minute.
        sqlx::query("update orders.mails set next_attempt_at = now()").execute(&app.db).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        subjects = server.received().iter().map(|mail| mail.header("Subject")).collect();
    }
}

#[tokio::test]
async fn a_confirmed_address_may_be_required_for_checkout() {
    let server = SmtpServer::start().await;
    let args = OrderMailArgs { require_verified_email: RequireVerifiedEmail::Checkout, ..Default::default() };
    let app = TestApp::with_mail(OrderMail { mailer: Some(server.mailer()), args }).await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.contacts.set_unverified(user);
    assert_eq!(error_reason(app.place(user, "key").await), "email_not_verified");
    assert_eq!(app.orders_of(user).await, 0);

    app.contacts.verify_all();
    let order = app.place(user, "key").await.unwrap();
    app.contacts.set_unverified(user);
    let repeated = app.place(user, "key").await.unwrap();
    assert_eq!(repeated.id, order.id, "a repetition has no need of it");
}

#[tokio::test]
async fn without_a_mailer_rows_are_not_kept_for_long() {
    let app = TestApp::start().await;
    app.new_order(&[(PEN, 1)]).await;
    assert_eq!(unsent(&app).await, 1);
    sqlx::query("update orders.mails set created_at = now() - interval '2 h'")
        .execute(&app.db)
        .await
        .unwrap();
    let _replica = app.replica().await;
    wait_for_mails(&app).await;
    let _: Option<Uuid> =
        sqlx::query_scalar("select id from orders.mails").fetch_optional(&app.db).await.unwrap();
}
