//! What customers enter at checkout.

use std::time::{Duration, Instant};

use bodega_proto::order::v1::{
    CheckoutContact, CheckoutForm, GetQuoteRequest, Order, OrderBreakdown, PlaceOrderRequest, PostalAddress,
};
use futures_util::future::join_all;
use tonic::Code;

use crate::{
    faults::Fault,
    replica::Client,
    test_app::{MUG, MUG_PRICE, PEN, PEN_PRICE, TestApp, error_reason, id, violations, with_long_deadline},
};

fn form() -> CheckoutForm {
    CheckoutForm {
        contact: Some(CheckoutContact {
            email: "ada@example.com".to_owned(),
            name: "Ada".to_owned(),
            phone: String::new(),
        }),
        shipping_address: Some(PostalAddress {
            name: "Ada".to_owned(),
            line1: "1 Main St".to_owned(),
            city: "London".to_owned(),
            country: "GB".to_owned(),
            ..PostalAddress::default()
        }),
        billing_address: None,
        shipping_method: None,
        discount_codes: Vec::new(),
        note: "Ring twice".to_owned(),
        locale: "en-GB".to_owned(),
    }
}

async fn contacts(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from orders.order_contacts").fetch_one(&app.db).await.unwrap()
}

async fn wait_for_contacts(app: &TestApp, count: i64) {
    let started = Instant::now();
    while contacts(app).await > count {
        assert!(started.elapsed() < Duration::from_secs(30), "a contact is not deleted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_order_has_a_number_the_form_and_the_parts_of_its_total() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 2), (PEN, 1)]);
    let order = app.place_form(user, "", form()).await.unwrap();
    assert_eq!(order.form, Some(form()));
    let subtotal_minor = 2 * MUG_PRICE + PEN_PRICE;
    let parts = OrderBreakdown { subtotal_minor, ..OrderBreakdown::default() };
    assert_eq!(order.breakdown, Some(parts));
    assert_eq!(order.total_minor, subtotal_minor);
    assert_eq!(order.items[0].total_minor, Some(2 * MUG_PRICE));
    assert_eq!(app.get(&order.id).await, order);

    let next = app.new_order(&[(MUG, 1)]).await;
    assert_eq!((order.number, next.number), (1001, 1002));
    assert_eq!(next.form, None);
    assert_eq!(contacts(&app).await, 1);
    app.assert_consistent().await;
}

#[tokio::test]
async fn an_idempotency_key_stands_for_the_form_too() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let order = app.place_form(user, "key", form()).await.unwrap();
    assert_eq!(app.place_form(user, "key", form()).await.unwrap(), order);
    let changes: [fn(&mut CheckoutForm); 4] = [
        |form| form.contact = None,
        |form| form.shipping_address.as_mut().unwrap().city = "Paris".to_owned(),
        |form| form.discount_codes = vec!["SPRING".to_owned()],
        |form| *form = CheckoutForm::default(),
    ];
    for change in changes {
        let mut form = form();
        change(&mut form);
        assert_eq!(error_reason(app.place_form(user, "key", form).await), "idempotency_key_reused");
    }
    assert_eq!(error_reason(app.place(user, "key").await), "idempotency_key_reused");

    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place(user, "key").await.unwrap();
    assert_eq!(error_reason(app.place_form(user, "key", form()).await), "idempotency_key_reused");
    app.assert_consistent().await;
}

#[tokio::test]
async fn concurrent_requests_with_different_forms_place_one_order() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let user = app.user_with_cart(&[(MUG, 1)]);
        let cities = ["London", "Paris", "Rome", "London"];
        let calls = cities.map(|city| app.place_form(user, "", form_for(city)));
        let mut placed = Vec::new();
        for (city, result) in cities.into_iter().zip(join_all(calls).await) {
            match result {
                Ok(order) => {
                    assert_eq!(order.form, Some(form_for(city)), "the order of another request");
                    placed.push(order);
                }
                Err(status) => assert_eq!(error_reason::<()>(Err(status)), "empty_cart"),
            }
        }
        assert!(!placed.is_empty() && placed.iter().all(|order| order == &placed[0]), "{placed:?}");
        assert_eq!(app.orders_of(user).await, 1);
    }
    app.assert_consistent().await;
}

/// Returns a form with an address in a city.
fn form_for(city: &str) -> CheckoutForm {
    let mut form = form();
    form.shipping_address.as_mut().unwrap().city = city.to_owned();
    form
}

/// The late request has read the cart before it was ordered.
#[tokio::test]
async fn a_late_request_gets_an_order_only_if_it_asks_for_nothing_else() {
    let app = TestApp::start().await;
    let late = |form: Option<CheckoutForm>, expected_total_minor: Option<i64>| {
        let app = &app;
        async move {
            let user = app.user_with_cart(&[(MUG, 1)]);
            app.cart.faults().once("GetSnapshot", Fault::SlowResponse(Duration::from_millis(300)));
            let request = PlaceOrderRequest {
                idempotency_key: "late".to_owned(),
                expected_total_minor,
                form,
                ..PlaceOrderRequest::default()
            };
            let mut client = app.client(user);
            let late = with_long_deadline(client.place_order(request));
            let first = async {
                app.cart.faults().all_triggered("GetSnapshot").await;
                app.place_form(user, "first", form_for("London")).await.unwrap()
            };
            let (late, first) = tokio::join!(late, first);
            late.map(|late| assert_eq!(late.into_inner().order.unwrap(), first))
        }
    };
    late(Some(form_for("London")), None).await.unwrap();
    late(None, None).await.unwrap();
    assert_eq!(error_reason(late(Some(form_for("Paris")), None).await), "empty_cart");
    assert_eq!(error_reason(late(Some(form_for("London")), Some(1)).await), "empty_cart");
    app.assert_consistent().await;
}

#[tokio::test]
async fn rejects_codes_and_methods_that_do_not_work_and_releases_the_stock() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let with_code = CheckoutForm { discount_codes: vec!["spring".to_owned()], ..form() };
    let status = app.place_form(user, "key", with_code.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.message(), "discount code rejected: SPRING: unknown");
    assert_eq!(violations(&status), [("discount_codes".to_owned(), "SPRING: unknown".to_owned())]);
    let again = app.place_form(user, "key", with_code).await.unwrap_err();
    assert_eq!(again.message(), status.message());

    let with_method = CheckoutForm { shipping_method: Some(3), ..form() };
    assert_eq!(error_reason(app.place_form(user, "", with_method).await), "shipping_unavailable");
    app.wait_until_recovered().await;
    assert_eq!(app.catalog.available(MUG), 1000);
    app.place_form(user, "", form()).await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn rejects_invalid_fields_before_any_call() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let mut invalid = form();
    invalid.contact.as_mut().unwrap().email = "ada".to_owned();
    invalid.shipping_address.as_mut().unwrap().line1 = String::new();
    let status = app.place_form(user, "", invalid).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields: Vec<_> = violations(&status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["contact.email", "shipping_address.line1"]);
    assert_eq!(app.cart.calls(), (0, 0));
}

#[tokio::test]
async fn another_process_places_the_order_with_the_form() {
    let mut app = TestApp::start().await;
    app.catalog.faults().once("Reserve", Fault::Down);
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place_form(user, "key", form()).await.unwrap_err();
    app.restart().await;
    app.assert_consistent().await;
    let order = app.place_form(user, "key", form()).await.unwrap();
    assert_eq!(order.form, Some(form()));

    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().once("Reserve", Fault::Down);
    let with_code = CheckoutForm { discount_codes: vec!["SPRING".to_owned()], ..form() };
    app.place_form(user, "key", with_code.clone()).await.unwrap_err();
    app.assert_consistent().await;
    assert_eq!(error_reason(app.place_form(user, "key", with_code).await), "discount_rejected");
}

#[tokio::test]
async fn a_process_killed_at_any_time_leaves_one_order_with_the_form() {
    let app = TestApp::start().await;
    let mut users = Vec::new();
    for time in (0..40).map(|n| Duration::from_micros(n * 750)) {
        let user = app.user_with_cart(&[(MUG, 1)]);
        let call = |mut client: Client| async move {
            let request = PlaceOrderRequest {
                idempotency_key: "key".to_owned(),
                form: Some(form()),
                ..PlaceOrderRequest::default()
            };
            client.place_order(request).await
        };
        app.killed_after(time, user, call).await;
        users.push(user);
    }
    app.assert_consistent().await;
    for user in users {
        let order = app.place_form(user, "key", form()).await.unwrap();
        assert_eq!(order.form, Some(form()));
        assert_eq!(app.orders_of(user).await, 1);
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn an_earlier_version_cannot_place_a_checkout_with_a_form() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().always("Reserve", Fault::Down);
    app.place_form(user, "", form()).await.unwrap_err();
    let place_without_parts =
        "update orders.orders set status = 'pending', total_minor = 1, currency = 'USD',
        placed_at = now(), lease_until = null, recover_at = null where user_id = $1";
    let error = sqlx::query(place_without_parts).bind(user).execute(&app.db).await.unwrap_err();
    assert_eq!(bodega_runtime::status::violated_constraint(&error), Some("orders_with_a_form_have_parts"));
    app.catalog.faults().clear();
    app.assert_consistent().await;
}

#[tokio::test]
async fn what_a_deleted_user_has_entered_is_deleted() {
    let mut app = TestApp::start().await;
    let [kept, deleted] = [(); 2].map(|()| app.user_with_cart(&[(MUG, 1)]));
    let form = CheckoutForm { note: String::new(), ..form() };
    let kept_order = app.place_form(kept, "key", form.clone()).await.unwrap();
    let order = app.place_form(deleted, "key", form).await.unwrap();
    app.contacts.delete(deleted);
    app.restart().await;
    wait_for_contacts(&app, 1).await;
    let erased = app.get(&order.id).await;
    let choices = CheckoutForm { locale: "en-GB".to_owned(), ..CheckoutForm::default() };
    assert_eq!(erased, Order { form: Some(choices), ..order.clone() });
    assert_eq!(app.get(&kept_order.id).await, kept_order);
    let hashes: i64 = sqlx::query_scalar(
        "select count(*) from (
             select request_hash from orders.orders where id = $1
             union all
             select request_hash from orders.idempotency_keys where order_id = $1
         ) as hashes where request_hash is not null",
    )
    .bind(id(&order))
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(hashes, 0);
}

#[tokio::test]
async fn the_checkout_of_a_deleted_user_is_completed_with_the_form() {
    let mut app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place_form(user, "", form()).await.unwrap();
    app.add_to_cart(user, &[(PEN, 1)]);
    app.catalog.faults().always("Reserve", Fault::Down);
    app.place_form(user, "key", form()).await.unwrap_err();
    app.contacts.delete(user);
    app.restart().await;
    wait_for_contacts(&app, 1).await;
    app.catalog.faults().clear();
    let order = app.place_form(user, "key", form()).await.unwrap();
    assert_eq!(order.form, Some(form()));
    app.restart().await;
    wait_for_contacts(&app, 0).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_quote_costs_what_the_order_costs() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(PEN, 3), (MUG, 2)]);
    let quoted = app.quote(user, form()).await.unwrap();
    let lines: Vec<_> = quoted.lines.iter().map(|line| line.item.clone().unwrap()).collect();
    let quantities: Vec<_> = lines.iter().map(|line| (line.product_id, line.quantity)).collect();
    assert_eq!(quantities, [(MUG, 2), (PEN, 3)]);
    assert_eq!((quoted.total_minor, quoted.currency.as_str()), (2 * MUG_PRICE + 3 * PEN_PRICE, "USD"));
    assert!(quoted.missing.is_empty() && quoted.shipping_methods.is_empty());
    assert_eq!(app.catalog.calls(), (0, 0));
    assert_eq!(app.orders_of(user).await, 0);

    let order = app.place_form(user, "", form()).await.unwrap();
    assert_eq!((quoted.total_minor, quoted.breakdown), (order.total_minor, order.breakdown));
    assert_eq!(error_reason(app.quote(user, form()).await), "empty_cart");
}

#[tokio::test]
async fn a_quote_accepts_an_incomplete_form_and_names_codes_that_do_not_work() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let incomplete = CheckoutForm {
        shipping_address: Some(PostalAddress { country: "de".to_owned(), ..PostalAddress::default() }),
        shipping_method: Some(9),
        discount_codes: vec!["none".to_owned()],
        ..CheckoutForm::default()
    };
    let quoted = app.quote(user, incomplete).await.unwrap();
    assert_eq!(quoted.total_minor, MUG_PRICE);
    let discount = &quoted.discounts[0];
    assert_eq!((discount.code.as_str(), discount.reason.as_str()), ("NONE", "unknown"));

    let address = PostalAddress { city: "Paris".to_owned(), ..PostalAddress::default() };
    let invalid = CheckoutForm { shipping_address: Some(address), ..CheckoutForm::default() };
    let status = app.quote(user, invalid).await.unwrap_err();
    assert_eq!(violations(&status)[0].0, "shipping_address.country");
    let status = app.client(user).get_quote(GetQuoteRequest::default()).await.unwrap();
    assert_eq!(status.into_inner().total_minor, MUG_PRICE);
}
