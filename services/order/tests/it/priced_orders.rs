//! Orders of a store with taxes, shipping and discounts.

use bodega_proto::order::v1::{
    CheckoutForm, CreateShippingZoneRequest, Discount, DiscountClass, GetQuoteRequest, GetQuoteResponse,
    Order, PlaceOrderRequest, PostalAddress, ReplaceTaxRatesRequest, ShippingBasis, ShippingKind,
    ShippingMethod, ShippingPlace, ShippingRate, ShippingZone, StoreSettings, TaxRate, UpdateSettingsRequest,
};
use futures_util::future::join_all;
use tonic::Status;
use uuid::Uuid;

use crate::{
    settings::discount,
    test_app::{MUG, MUG_PRICE, PEN, PEN_PRICE, TestApp, error_reason, violations, with_long_deadline},
};

impl TestApp {
    async fn set_taxes(&self, rate_ppm: i32) {
        let rate = TaxRate {
            country: "DE".to_owned(),
            region: String::new(),
            tax_class: "standard".to_owned(),
            name: "VAT".to_owned(),
            rate_ppm,
        };
        self.rules().replace_tax_rates(ReplaceTaxRatesRequest { rates: vec![rate] }).await.unwrap();
    }

    /// Sets prices that include taxes, and a country that every form names.
    async fn set_prices_include_tax(&self) {
        let settings = StoreSettings { prices_include_tax: true, ..StoreSettings::default() };
        self.rules().update_settings(UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
    }

    /// Creates a shipping method for Germany with these prices by subtotal, and returns its id.
    async fn create_shipping_method(&self, rates: &[(i64, i64)]) -> i32 {
        let rates =
            rates.iter().map(|(at_least, price)| ShippingRate { at_least: *at_least, price_minor: *price });
        let method = ShippingMethod {
            id: 0,
            title: "Parcel".to_owned(),
            kind: ShippingKind::Delivery.into(),
            basis: ShippingBasis::Subtotal.into(),
            rates: rates.collect(),
        };
        let place = ShippingPlace { country: "DE".to_owned(), region: String::new() };
        let zone =
            ShippingZone { id: 0, name: "Home".to_owned(), places: vec![place], methods: vec![method] };
        let request = CreateShippingZoneRequest { zone: Some(zone) };
        self.rules().create_shipping_zone(request).await.unwrap().into_inner().zone.unwrap().methods[0].id
    }

    async fn place_form(&self, user: Uuid, key: &str, form: CheckoutForm) -> Result<Order, Status> {
        let request = PlaceOrderRequest {
            idempotency_key: key.to_owned(),
            form: Some(form),
            ..PlaceOrderRequest::default()
        };
        let mut client = self.client(user);
        Ok(with_long_deadline(client.place_order(request)).await?.into_inner().order.unwrap())
    }

    async fn quote(&self, user: Uuid, form: CheckoutForm) -> GetQuoteResponse {
        let request = GetQuoteRequest { form: Some(form) };
        self.client(user).get_quote(request).await.unwrap().into_inner()
    }

    /// Returns the counted uses of a discount.
    async fn counted(&self, id: i64) -> i64 {
        let used = sqlx::query_scalar("select used from orders.discounts where id = $1");
        used.bind(id).fetch_one(&self.db).await.unwrap()
    }
}

/// A form with an address in Germany, and these codes.
fn form(shipping_method: Option<i32>, codes: &[&str]) -> CheckoutForm {
    let address = PostalAddress {
        name: "Ada".to_owned(),
        line1: "1 Main St".to_owned(),
        city: "Berlin".to_owned(),
        country: "DE".to_owned(),
        ..PostalAddress::default()
    };
    CheckoutForm {
        shipping_address: Some(address),
        shipping_method,
        discount_codes: codes.iter().map(|code| (*code).to_owned()).collect(),
        ..CheckoutForm::default()
    }
}

#[tokio::test]
async fn an_order_has_taxes_shipping_and_discounts() {
    let app = TestApp::start().await;
    app.set_prices_include_tax().await;
    app.set_taxes(190_000).await;
    let method = app.create_shipping_method(&[(0, 490), (5000, 0)]).await;
    let code = app.create_discount(discount("SPRING")).await.unwrap();
    let user = app.user_with_cart(&[(MUG, 2), (PEN, 1)]);
    let form = form(Some(method), &["spring"]);
    let quoted = app.quote(user, form.clone()).await;
    let order = app.place_form(user, "key", form.clone()).await.unwrap();
    assert_eq!((quoted.total_minor, &quoted.breakdown), (order.total_minor, &order.breakdown));

    // 22.50 - 2.25 + 4.90 = 25.15, of which 19 / 119 are tax.
    let parts = order.breakdown.clone().unwrap();
    assert_eq!((parts.subtotal_minor, parts.discount_total_minor), (2 * MUG_PRICE + PEN_PRICE, 225));
    assert_eq!((parts.shipping_total_minor, parts.tax_total_minor, order.total_minor), (490, 402, 2515));
    assert_eq!((parts.taxes[0].name.as_str(), parts.taxes[0].taxable_minor), ("VAT", 2113));
    assert_eq!((parts.discounts[0].code.as_str(), parts.discounts[0].amount_minor), ("SPRING", 225));
    assert_eq!(parts.shipping_title, "Parcel");

    // A change of the rules does not change the order, nor what a repeated request returns.
    app.set_taxes(0).await;
    app.replace_discount(code.id, Discount { active: false, ..discount("SPRING") }).await.unwrap();
    assert_eq!(app.place_form(user, "key", form).await.unwrap(), order);
    assert_eq!(app.get(&order.id).await, order);
}

#[tokio::test]
async fn a_changed_tax_table_changes_a_total_that_the_customer_expects() {
    let app = TestApp::start().await;
    app.set_taxes(190_000).await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let quoted = app.quote(user, form(None, &[])).await;
    assert_eq!(quoted.total_minor, 1190, "taxes are added");
    app.set_taxes(200_000).await;
    let place = async |total_minor| {
        let request = PlaceOrderRequest {
            idempotency_key: String::new(),
            expected_total_minor: Some(total_minor),
            form: Some(form(None, &[])),
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
    let method = app.create_shipping_method(&[(0, 490)]).await;
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
