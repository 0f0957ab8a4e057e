use super::*;

fn order() -> pb::Order {
    pb::Order {
        id: "o".to_owned(),
        user_id: "u".to_owned(),
        items: vec![pb::OrderItem {
            product_id: 7,
            name: "Mug".to_owned(),
            price_minor: 1250,
            quantity: 2,
            line_total_minor: 2500,
            ..Default::default()
        }],
        total_minor: 2500,
        currency: "USD".to_owned(),
        status: pb::OrderStatus::Pending.into(),
        history: vec![pb::OrderEvent { status: pb::OrderStatus::Pending.into(), ..Default::default() }],
        ..Default::default()
    }
}

#[test]
fn writes_every_field_of_an_order() {
    let json = serde_json::to_string(&Order::try_from(order()).unwrap()).unwrap();
    let epoch = "1970-01-01T00:00:00Z";
    assert_eq!(
        json,
        format!(
            r#"{{"id":"o","userId":"u","products":[{{"productId":7,"name":"Mug","price":12.50,"quantity":2,"lineTotal":25.00}}],"totalAmount":25.00,"currency":"USD","status":"pending","payment":null,"history":[{{"status":"pending","at":"{epoch}"}}],"createdAt":"{epoch}","updatedAt":"{epoch}"}}"#
        )
    );
}

#[test]
fn writes_the_parts_of_the_total_and_what_the_customer_has_entered() {
    let breakdown = pb::OrderBreakdown {
        subtotal_minor: 2500,
        shipping_total_minor: 490,
        tax_total_minor: 477,
        taxes: vec![pb::OrderTax {
            name: "VAT".to_owned(),
            rate_ppm: 190_000,
            taxable_minor: 2513,
            tax_minor: 477,
        }],
        prices_include_tax: true,
        shipping_title: "Parcel".to_owned(),
        ..Default::default()
    };
    let contact = pb::CheckoutContact { email: "ada@example.com".to_owned(), ..Default::default() };
    let form = pb::CheckoutForm { contact: Some(contact), ..Default::default() };
    let mut order = pb::Order {
        number: 1001,
        total_minor: 2990,
        breakdown: Some(breakdown),
        form: Some(form),
        ..order()
    };
    order.items[0] = pb::OrderItem {
        discount_minor: Some(0),
        tax_minor: Some(399),
        total_minor: Some(2500),
        variant_of: 5,
        variant_name: "M / red".to_owned(),
        ..order.items[0].clone()
    };
    let json = serde_json::to_value(Order::try_from(order).unwrap()).unwrap();
    assert_eq!(json["number"], 1001);
    assert_eq!((&json["shippingTotal"], &json["shippingMethod"]), (&4.9.into(), &"Parcel".into()));
    assert_eq!(
        json["taxes"],
        serde_json::json!([{"name": "VAT", "rate": 19, "taxable": 25.13, "tax": 4.77}])
    );
    assert_eq!(json["contact"]["email"], "ada@example.com");
    assert_eq!(json.get("shippingAddress"), None);
    let line = &json["products"][0];
    assert_eq!((&line["productId"], &line["variantId"], &line["tax"]), (&5.into(), &7.into(), &3.99.into()));
}

#[test]
fn writes_the_payment_status_of_an_event() {
    let event = |status: pb::OrderStatus, payment: pb::PaymentStatus| pb::OrderEvent {
        status: status.into(),
        at: None,
        payment: payment.into(),
        payment_cancelled: false,
    };
    let history = vec![
        event(pb::OrderStatus::Pending, pb::PaymentStatus::Unspecified),
        event(pb::OrderStatus::Paid, pb::PaymentStatus::Completed),
    ];
    let json = serde_json::to_value(Order::try_from(pb::Order { history, ..order() }).unwrap()).unwrap();
    let epoch = "1970-01-01T00:00:00Z";
    assert_eq!(
        json["history"],
        serde_json::json!([
            {"status": "pending", "at": epoch}, {"status": "paid", "at": epoch, "payment": "completed"}
        ])
    );
}

#[test]
fn rejects_an_unknown_status() {
    assert!(Order::try_from(pb::Order { status: 99, ..order() }).is_err());
    for payment in [0, 99] {
        let payment = pb::Payment { provider: "stripe".to_owned(), status: payment, ..Default::default() };
        assert!(Order::try_from(pb::Order { payment: Some(payment), ..order() }).is_err());
    }
    let event = pb::OrderEvent { status: pb::OrderStatus::Paid.into(), payment: 99, ..Default::default() };
    assert!(Order::try_from(pb::Order { history: vec![event], ..order() }).is_err());
}

#[test]
fn reads_and_writes_every_status_by_the_same_name() {
    for name in ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"] {
        let input: OrderStatusInput = serde_json::from_value(serde_json::json!({"status": name})).unwrap();
        let status = pb::OrderStatus::from(input.status);
        assert_eq!(status.as_str_name(), format!("ORDER_STATUS_{}", name.to_uppercase()));
        assert_eq!(serde_json::to_value(OrderStatus::from_proto(status).unwrap()).unwrap(), name);
    }
    assert!(serde_json::from_str::<OrderStatusInput>(r#"{"status": "placing"}"#).is_err());
}
