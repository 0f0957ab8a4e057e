//! Forms and quotes.

use bodega_proto::{
    identity::v1::{Address, GetProfileRequest, GetProfileResponse, User},
    order::v1::{
        CheckoutContact, CheckoutForm, GetQuoteRequest, GetQuoteResponse, Order, OrderBreakdown, OrderItem,
        OrderStatus, OrderTax, PlaceOrderRequest, PlaceOrderResponse, PostalAddress, QuoteLine,
        QuotedDiscount, QuotedShippingMethod,
    },
};
use bodega_runtime::status;
use http::Method;
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    fake_service::Calls,
    test_app::{SendRequest as _, TestApp, TestResponse},
};

fn quote() -> GetQuoteResponse {
    let item = OrderItem {
        product_id: 7,
        name: "Mug".to_owned(),
        price_minor: 1250,
        quantity: 2,
        line_total_minor: 2500,
        discount_minor: Some(250),
        tax_minor: Some(359),
        total_minor: Some(2250),
        ..OrderItem::default()
    };
    GetQuoteResponse {
        lines: vec![QuoteLine { item: Some(item), available: true }],
        breakdown: Some(OrderBreakdown {
            subtotal_minor: 2500,
            discount_total_minor: 250,
            shipping_total_minor: 490,
            tax_total_minor: 437,
            taxes: vec![OrderTax {
                name: "VAT".to_owned(),
                rate_ppm: 88_750,
                taxable_minor: 2303,
                tax_minor: 437,
            }],
            prices_include_tax: true,
            ..OrderBreakdown::default()
        }),
        total_minor: 2740,
        currency: "USD".to_owned(),
        discounts: vec![
            QuotedDiscount {
                code: "SPRING".to_owned(),
                title: "Spring sale".to_owned(),
                amount_minor: 250,
                reason: String::new(),
            },
            QuotedDiscount { code: "NONE".to_owned(), reason: "unknown".to_owned(), ..Default::default() },
        ],
        shipping_methods: vec![QuotedShippingMethod {
            id: 3,
            title: "Parcel".to_owned(),
            price_minor: 490,
            free_from_minor: Some(5000),
        }],
        missing: vec!["shipping_address".to_owned()],
    }
}

fn quotes(gateway: &TestApp) -> Calls<GetQuoteRequest> {
    gateway.orders.on("GetQuote", |_: GetQuoteRequest| Ok(quote()))
}

fn orders(gateway: &TestApp) -> Calls<PlaceOrderRequest> {
    let order = Order { status: OrderStatus::Pending.into(), currency: "USD".to_owned(), ..Order::default() };
    gateway.orders.on("PlaceOrder", move |_: PlaceOrderRequest| {
        Ok(PlaceOrderResponse { order: Some(order.clone()), ..Default::default() })
    })
}

async fn post(gateway: &TestApp, path: &str, body: Value) -> TestResponse {
    gateway.request(Method::POST, path).bearer_auth(gateway.identity.user()).json(&body).fetch().await
}

fn form() -> (Value, CheckoutForm) {
    let json = json!({
        "contact": {"email": "ada@example.com", "phone": "1"},
        "shippingAddress": {
            "name": "Ada", "line1": "1 Main St", "city": "London", "postal_code": "N1", "country": "GB"
        },
        "shippingMethod": 3, "discountCodes": ["spring"], "note": "Ring twice", "locale": "en-GB"
    });
    let form = CheckoutForm {
        contact: Some(CheckoutContact {
            email: "ada@example.com".to_owned(),
            phone: "1".to_owned(),
            ..CheckoutContact::default()
        }),
        shipping_address: Some(PostalAddress {
            name: "Ada".to_owned(),
            line1: "1 Main St".to_owned(),
            city: "London".to_owned(),
            postal_code: "N1".to_owned(),
            country: "GB".to_owned(),
            ..PostalAddress::default()
        }),
        billing_address: None,
        shipping_method: Some(3),
        discount_codes: vec!["spring".to_owned()],
        note: "Ring twice".to_owned(),
        locale: "en-GB".to_owned(),
    };
    (json, form)
}

#[tokio::test]
async fn quotes_and_orders_have_the_same_form() {
    let gateway = TestApp::start().await;
    let (quotes, orders) = (quotes(&gateway), orders(&gateway));
    let (json, form) = form();
    assert_eq!(post(&gateway, "/api/checkout/quote", json.clone()).await.status, 200);
    assert_eq!(quotes.last().form.as_ref(), Some(&form));
    for path in ["/api/orders", "/orders", "/order"] {
        assert_eq!(post(&gateway, path, json.clone()).await.status, 201);
        assert_eq!(orders.last().form.as_ref(), Some(&form), "{path}");
    }
    for empty in [json!({}), json!({"expectedTotal": 1, "note": null, "contact": null})] {
        assert_eq!(post(&gateway, "/api/checkout/quote", empty.clone()).await.status, 200);
        assert_eq!(quotes.last().form, None);
        assert_eq!(post(&gateway, "/api/orders", empty).await.status, 201);
        assert_eq!(orders.last().form, None);
    }
    gateway.request(Method::POST, "/api/checkout/quote").fetch().await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_quote_has_the_parts_of_the_total() {
    let gateway = TestApp::start().await;
    quotes(&gateway);
    let response = post(&gateway, "/api/checkout/quote", json!({})).await;
    let expected = json!({
        "lines": [{
            "productId": 7, "variantId": 7, "name": "Mug", "price": 12.50, "quantity": 2, "lineTotal": 25.00,
            "discount": 2.50, "tax": 3.59, "total": 22.50, "available": true
        }],
        "subtotal": 25.00, "discountTotal": 2.50, "shippingTotal": 4.90, "taxTotal": 4.37,
        "taxes": [{"name": "VAT", "rate": 8.875, "taxable": 23.03, "tax": 4.37}],
        "total": 27.40, "currency": "USD", "pricesIncludeTax": true,
        "discounts": [
            {"code": "SPRING", "title": "Spring sale", "amount": 2.50, "applied": true},
            {"code": "NONE", "title": null, "amount": 0.00, "applied": false, "reason": "unknown"}
        ],
        "shippingMethods": [{"id": 3, "title": "Parcel", "price": 4.90, "freeFrom": 50.00}],
        "missing": ["shippingAddress"]
    });
    assert_eq!(response.json(), expected);
}

#[tokio::test]
async fn an_index_stands_for_an_address_of_the_profile() {
    let gateway = TestApp::start().await;
    let (quotes, orders) = (quotes(&gateway), orders(&gateway));
    let profiles = gateway.identity.service.on("GetProfile", |_: GetProfileRequest| {
        let address = |city: &str| Address { city: city.to_owned(), ..Address::default() };
        let addresses = vec![address("London"), address("Paris")];
        Ok(GetProfileResponse { user: Some(User { addresses, ..User::default() }) })
    });
    let body = json!({"shippingAddress": {"addressIndex": 1}, "billingAddress": {"address_index": 0}});
    assert_eq!(post(&gateway, "/api/orders", body).await.status, 201);
    let form = orders.last().form.unwrap();
    assert_eq!(form.shipping_address.unwrap().city, "Paris");
    assert_eq!(form.billing_address.unwrap().city, "London");
    assert_eq!(profiles.count(), 1);

    for (body, field) in [
        (json!({"shippingAddress": {"addressIndex": 2}}), "shippingAddress.addressIndex"),
        (json!({"billingAddress": {"addressIndex": 0, "city": "Rome"}}), "billingAddress.addressIndex"),
        (json!({"billingAddress": {"addressIndex": -1}}), "billingAddress.addressIndex"),
        (json!({"shippingAddress": {"street": "Main St"}}), "shippingAddress.street"),
        (json!({"contact": {}}), "contact.email"),
        (json!({"contact": ["ada@example.com"]}), "contact"),
        (json!({"discountCodes": "SPRING"}), "discountCodes"),
        (json!({"shippingMethod": "3"}), "shippingMethod"),
    ] {
        let response = post(&gateway, "/api/checkout/quote", body).await;
        assert_eq!(response.rejected_field(422, "invalid_field"), field);
    }
    assert_eq!(quotes.count(), 0);
}

#[tokio::test]
async fn names_missing_fields_as_in_the_request() {
    let gateway = TestApp::start().await;
    gateway.orders.on("PlaceOrder", |_: PlaceOrderRequest| {
        let fields = [("shipping_address".to_owned(), "is required".to_owned())];
        Err::<PlaceOrderResponse, _>(status::rejected_fields(
            Code::InvalidArgument,
            "shipping_required",
            "shipping_address required",
            fields,
        ))
    });
    let response = post(&gateway, "/api/orders", json!({})).await;
    assert_eq!(response.rejected_field(422, "shipping_required"), "shippingAddress");
}
