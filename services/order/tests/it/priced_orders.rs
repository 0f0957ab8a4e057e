//! Orders of a store with taxes, shipping and discounts.

use bodega_proto::order::v1::{Discount, DiscountClass, PlaceOrderRequest, ShippingBasis, StoreSettings};
use futures_util::future::join_all;
use tonic::Status;

use crate::{
    rules::{discount, form},
    test_app::{MUG, MUG_PRICE, PEN, PEN_PRICE, TestApp, error_reason, violations, with_long_deadline},
};

impl TestApp {
    /// Returns the counted uses of a discount.
    async fn counted(&self, id: i64) -> i64 {
        let used = sqlx::query_scalar("select used from orders.discounts where id = $1");
        used.bind(id).fetch_one(&self.db).await.unwrap()
    }
}

#[tokio::test]
async fn an_order_has_taxes_shipping_and_discounts() {
    let app = TestApp::start().await;
    app.set_settings(StoreSettings { prices_include_tax: true, ..StoreSettings::default() }).await;
    app.set_taxes(&[("standard", 190_000)]).await;
    let method = app.create_shipping_method(ShippingBasis::Subtotal, &[(0, 490), (5000, 0)]).await;
    let code = app.create_discount(discount("SPRING")).await.unwrap();
    let user = app.user_with_cart(&[(MUG, 2), (PEN, 1)]);
    let form = form(Some(method), &["spring"]);
    let quoted = app.quote(user, form.clone()).await.unwrap();
    let order = app.place_form(user, "key", form.clone()).await.unwrap();
    assert_eq!((quoted.total_minor, &quoted.breakdown), (order.total_minor, &order.breakdown));

    // 22.50 - 2.25 + 4.90 = 25.15, of which 19 / 119 are tax.
    let parts = order.breakdown.clone().unwrap();
    assert_eq!((parts.subtotal_minor, parts.discount_total_minor), (2 * MUG_PRICE + PEN_PRICE, 225));
    assert_eq!((parts.shipping_total_minor, parts.tax_total_minor, order.total_minor), (490, 402, 2515));
    assert_eq!((parts.taxes[0].name.as_str(), parts.taxes[0].taxable_minor), ("VAT standard", 2113));
    assert_eq!((parts.discounts[0].code.as_str(), parts.discounts[0].amount_minor), ("SPRING", 225));
    assert_eq!(parts.shipping_title, "Parcel");

    // A change of the rules does not change the order, nor what a repeated request returns.
    app.set_taxes(&[("standard", 0)]).await;
    app.replace_discount(code.id, Discount { active: false, ..discount("SPRING") }).await.unwrap();
    assert_eq!(app.place_form(user, "key", form).await.unwrap(), order);
    assert_eq!(app.get(&order.id).await, order);
}

#[tokio::test]
async fn a_changed_tax_table_changes_a_total_that_the_customer_expects() {
    let app = TestApp::start().await;
    app.set_taxes(&[("standard", 190_000)]).await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let quoted = app.quote(user, form(None, &[])).await.unwrap();
    assert_eq!(quoted.total_minor, 1190, "taxes are added");
    app.set_taxes(&[("standard", 200_000)]).await;
    let place = async |total_minor| {
        let request = PlaceOrderRequest {
            idempotency_key: String::new(),
            expected_total_minor: Some(total_minor),
            form: Some(form(None, &[])),
            ..Default::default()
        };
        let mut client = app.client(user);
        Ok::<_, Status>(with_long_deadline(client.place_order(request)).await?.into_inner().order.unwrap())
    };
    assert_eq!(error_reason(place(quoted.total_minor).await), "price_changed");
    assert_eq!(place(1200).await.unwrap().total_minor, 1200);
}

#[tokio::test]
async fn of_60_customers_20_use_a_code_with_limit_20() {
    let app = TestApp::start().await;
    let code = app.create_discount(Discount { usage_limit: Some(20), ..discount("SPRING") }).await.unwrap();
    let orders = join_all((0..60).map(|_| {
        let user = app.user_with_cart(&[(MUG, 1)]);
        app.place_form(user, "", form(None, &["SPRING"]))
    }));
    let (placed, rejected): (Vec<_>, Vec<_>) = orders.await.into_iter().partition(Result::is_ok);
    assert_eq!((placed.len(), rejected.len()), (20, 40));
    let placed: Vec<_> = placed.into_iter().map(Result::unwrap).collect();
    assert!(placed.iter().all(|order| order.total_minor == MUG_PRICE * 9 / 10), "{placed:?}");
    for status in rejected.into_iter().map(Result::unwrap_err) {
        let exhausted = [("discount_codes".to_owned(), "SPRING: exhausted".to_owned())];
        assert_eq!(violations(&status), exhausted, "{status:?}");
    }
    assert_eq!(app.counted(code.id).await, 20);
    app.wait_until_recovered().await;
    assert_eq!(app.catalog.available(MUG), 1000 - 20);

    // A cancelled order returns its use to the next customer.
    app.cancel(placed[0].user_id.parse().unwrap(), &placed[0].id).await.unwrap();
    assert_eq!(app.counted(code.id).await, 19);
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place_form(user, "", form(None, &["SPRING"])).await.unwrap();
    assert_eq!(app.counted(code.id).await, 20);
}

/// An order does not need a discount that applies without a code: it is placed at the price without it.
#[tokio::test]
async fn orders_after_the_last_use_of_an_automatic_discount_cost_the_full_price() {
    let app = TestApp::start().await;
    let limited = Discount { usage_limit: Some(5), ..discount("") };
    let automatic = app.create_discount(limited).await.unwrap();
    let orders = join_all((0..20).map(|_| app.place(app.user_with_cart(&[(MUG, 1)]), ""))).await;
    let total = |total_minor| {
        let orders = orders.iter().map(|order| order.as_ref().unwrap());
        orders.filter(|order| order.total_minor == total_minor).count()
    };
    assert_eq!((total(MUG_PRICE * 9 / 10), total(MUG_PRICE)), (5, 15));
    assert_eq!(app.counted(automatic.id).await, 5);
}

#[tokio::test]
async fn a_customer_uses_a_code_once() {
    let app = TestApp::start().await;
    app.create_discount(Discount { once_per_customer: true, ..discount("ONCE") }).await.unwrap();
    let user = app.user_with_cart(&[(MUG, 1)]);
    let order = app.place_form(user, "", form(None, &["ONCE"])).await.unwrap();
    app.add_to_cart(user, &[(MUG, 1)]);
    let again = app.place_form(user, "", form(None, &["ONCE"])).await.unwrap_err();
    assert_eq!(violations(&again)[0].1, "ONCE: already_used");
    app.cancel(user, &order.id).await.unwrap();
    app.place_form(user, "", form(None, &["ONCE"])).await.unwrap();
}

#[tokio::test]
async fn discounts_of_different_classes_add_up() {
    let app = TestApp::start().await;
    let method = app.create_shipping_method(ShippingBasis::Subtotal, &[(0, 490)]).await;
    let free = Discount {
        class: DiscountClass::Shipping.into(),
        rate_ppm: Some(1_000_000),
        min_subtotal_minor: 2000,
        ..discount("FREE")
    };
    app.create_discount(free).await.unwrap();
    let mugs = Discount {
        class: DiscountClass::Line.into(),
        rate_ppm: None,
        amount_minor: Some(100),
        product_ids: vec![MUG],
        ..discount("")
    };
    app.create_discount(mugs).await.unwrap();
    let user = app.user_with_cart(&[(MUG, 1), (PEN, 1)]);
    let rejected = app.place_form(user, "", form(Some(method), &["FREE"])).await.unwrap_err();
    assert_eq!(violations(&rejected)[0].1, "FREE: minimum_not_met");
    app.add_to_cart(user, &[(MUG, 1)]);
    let order = app.place_form(user, "", form(Some(method), &["FREE"])).await.unwrap();
    assert_eq!(order.total_minor, 2 * (MUG_PRICE - 100) + PEN_PRICE, "shipping is free");
}
