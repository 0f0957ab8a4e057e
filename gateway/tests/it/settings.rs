//! Settings, taxes, shipping zones and discounts.

use bodega_proto::order::v1::{
    CreateDiscountRequest, CreateDiscountResponse, CreateShippingZoneRequest, CreateShippingZoneResponse,
    Discount, DiscountClass, GetSettingsRequest, GetSettingsResponse, ListDiscountsRequest,
    ListDiscountsResponse, ReplaceDiscountRequest, ReplaceDiscountResponse, ReplaceTaxRatesRequest,
    ReplaceTaxRatesResponse, ShippingBasis, ShippingKind, ShippingRate, StoreSettings, UpdateSettingsRequest,
    UpdateSettingsResponse,
};
use bodega_runtime::status::{self, Violations};
use http::Method;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::test_app::{SendRequest as _, TestApp, TestResponse};

async fn send(gateway: &TestApp, method: Method, path: &str, body: Value) -> TestResponse {
    let request = gateway.request(method, path).bearer_auth(gateway.identity.admin());
    request.json(&body).fetch().await
}

async fn get(gateway: &TestApp, path: &str) -> TestResponse {
    gateway.get(path).bearer_auth(gateway.identity.admin()).fetch().await
}

#[tokio::test]
async fn reads_and_replaces_the_settings() {
    let gateway = TestApp::start().await;
    gateway.orders.on("GetSettings", |_: GetSettingsRequest| {
        Ok(GetSettingsResponse { settings: Some(StoreSettings::default()) })
    });
    let expected = json!({"requireShipping": false, "country": null, "pricesIncludeTax": false});
    assert_eq!(get(&gateway, "/api/settings").await.json(), expected);
    let updates = gateway.orders.on("UpdateSettings", |request: UpdateSettingsRequest| {
        Ok(UpdateSettingsResponse { settings: request.settings })
    });
    let settings = json!({"requireShipping": true, "country": "DE", "pricesIncludeTax": true});
    assert_eq!(send(&gateway, Method::PUT, "/api/settings", settings.clone()).await.json(), settings);
    let country = "DE".to_owned();
    let stored = StoreSettings { require_shipping: true, country, prices_include_tax: true };
    assert_eq!(updates.last().settings, Some(stored));
    let incomplete = send(&gateway, Method::PUT, "/api/settings", json!({"requireShipping": true})).await;
    assert_eq!(incomplete.rejected_field(422, "invalid_field"), "pricesIncludeTax");
}

#[tokio::test]
async fn percentages_are_exact_parts_per_million() {
    let gateway = TestApp::start().await;
    let tables = gateway.orders.on("ReplaceTaxRates", |request: ReplaceTaxRatesRequest| {
        Ok(ReplaceTaxRatesResponse { rates: request.rates })
    });
    let rates = json!({"rates": [
        {"country": "DE", "name": "VAT", "percentage": 19},
        {"country": "US", "region": "NY", "taxClass": "clothing", "name": "Sales tax", "percentage": "8.875"}
    ]});
    let response = send(&gateway, Method::PUT, "/api/settings/tax", rates).await;
    let ppm: Vec<_> = tables.last().rates.iter().map(|rate| rate.rate_ppm).collect();
    assert_eq!(ppm, [190_000, 88_750]);
    assert_eq!(
        response.text,
        r#"{"rates":[{"country":"DE","region":null,"taxClass":"standard","name":"VAT","percentage":19},{"country":"US","region":"NY","taxClass":"clothing","name":"Sales tax","percentage":8.875}]}"#
    );
    for percentage in [json!(100.5), json!(-1), json!(8.87501), json!("1e1"), json!("")] {
        let rates = json!({"rates": [{"country": "DE", "name": "VAT", "percentage": percentage}]});
        let response = send(&gateway, Method::PUT, "/api/settings/tax", rates).await;
        assert_eq!(response.rejected_field(422, "invalid_field"), "rates[0].percentage");
    }
    assert_eq!(tables.count(), 1);
}

#[tokio::test]
async fn a_shipping_zone_is_one_document() {
    let gateway = TestApp::start().await;
    let zones = gateway.orders.on("CreateShippingZone", |request: CreateShippingZoneRequest| {
        let mut zone = request.zone.unwrap();
        zone.id = 7;
        zone.methods.iter_mut().zip(1..).for_each(|(method, id)| method.id = id);
        Ok(CreateShippingZoneResponse { zone: Some(zone) })
    });
    let zone = json!({
        "name": "Germany", "places": [{"country": "DE"}, {"country": "AT", "region": "TYROL"}],
        "methods": [
            {"title": "Parcel", "basis": "subtotal", "rates": [{"price": 4.90}, {"atLeast": 50, "price": "0"}]},
            {"title": "Freight", "basis": "weight", "rates": [{"atLeast": 30000, "price": 49}]},
            {"title": "Collect", "kind": "pickup", "rates": [{"price": 0}]}
        ]
    });
    let response = send(&gateway, Method::POST, "/api/shipping-zones", zone.clone()).await;
    assert_eq!((response.status, response.header("location")), (201, "/api/shipping-zones/7"));
    let sent = zones.last().zone.unwrap();
    let [parcel, freight, collect] = &sent.methods[..] else { panic!("{sent:?}") };
    let rate = |at_least, price_minor| ShippingRate { at_least, price_minor };
    assert_eq!(parcel.rates, [rate(0, 490), rate(5000, 0)]);
    assert_eq!((freight.basis(), &freight.rates[..]), (ShippingBasis::Weight, &[rate(30_000, 4900)][..]));
    assert_eq!((collect.kind(), collect.basis()), (ShippingKind::Pickup, ShippingBasis::Flat));
    assert_eq!(
        response.text,
        r#"{"id":7,"name":"Germany","places":[{"country":"DE","region":null},{"country":"AT","region":"TYROL"}],"methods":[{"id":1,"title":"Parcel","kind":"delivery","basis":"subtotal","rates":[{"atLeast":0.00,"price":4.90},{"atLeast":50.00,"price":0.00}]},{"id":2,"title":"Freight","kind":"delivery","basis":"weight","rates":[{"atLeast":30000,"price":49.00}]},{"id":3,"title":"Collect","kind":"pickup","basis":"flat","rates":[{"atLeast":0,"price":0.00}]}]}"#
    );
    for (pointer, value, field) in [
        ("/methods/0/rates/1/atLeast", json!(0.001), "methods[0].rates[1].atLeast"),
        ("/methods/1/rates/0/atLeast", json!(1.5), "methods[1].rates[0].atLeast"),
        ("/methods/0/rates/0/price", json!(-1), "methods[0].rates[0].price"),
        ("/methods/2/kind", json!("drone"), "methods[2].kind"),
        ("/places/0", json!(["DE", ""]), "places[0]"),
    ] {
        let mut invalid = zone.clone();
        *invalid.pointer_mut(pointer).unwrap() = value;
        let response = send(&gateway, Method::POST, "/api/shipping-zones", invalid).await;
        assert_eq!(response.rejected_field(422, "invalid_field"), field);
    }
}

#[tokio::test]
async fn a_discount_is_a_percentage_or_an_amount() {
    let gateway = TestApp::start().await;
    let created = gateway.orders.on("CreateDiscount", |request: CreateDiscountRequest| {
        Ok(CreateDiscountResponse { discount: Some(Discount { id: 5, ..request.discount.unwrap() }) })
    });
    let discount = json!({
        "code": "SPRING", "title": "Spring sale", "class": "order", "percentOff": 12.5, "minSubtotal": 20,
        "usageLimit": 50, "oncePerCustomer": true, "startsAt": "2026-03-01T00:00:00Z", "productIds": [7]
    });
    let response = send(&gateway, Method::POST, "/api/discounts", discount).await;
    assert_eq!((response.status, response.header("location")), (201, "/api/discounts/5"));
    let sent = created.last().discount.unwrap();
    assert_eq!((sent.class(), sent.rate_ppm, sent.amount_minor), (DiscountClass::Order, Some(125_000), None));
    assert_eq!((sent.min_subtotal_minor, sent.usage_limit, sent.active), (2000, Some(50), true));
    let json = response.json();
    assert_eq!((&json["percentOff"], &json["amountOff"]), (&json!(12.5), &json!(null)));
    assert_eq!((&json["startsAt"], &json["endsAt"]), (&json!("2026-03-01T00:00:00Z"), &json!(null)));

    let discount = json!({"title": "Sale", "class": "line", "amountOff": "5.00", "active": false});
    let json = send(&gateway, Method::POST, "/api/discounts", discount).await.json();
    assert_eq!(
        (&json["code"], &json["amountOff"], &json["active"]),
        (&json!(null), &json!(5.0), &json!(false))
    );
}

#[tokio::test]
async fn names_the_fields_of_a_discount_as_in_the_request() {
    let gateway = TestApp::start().await;
    gateway.orders.on("ReplaceDiscount", |_: ReplaceDiscountRequest| {
        let mut violations = Violations::new();
        violations.add("rate_ppm", "must be more than 0 and at most 100 percent");
        violations.add("amount_minor", "must be greater than 0");
        violations.add("usage_limit", "must be at least 3");
        Err::<ReplaceDiscountResponse, _>(Status::from(violations))
    });
    let discount = json!({"title": "Sale", "class": "line", "percentOff": 0});
    let problem =
        send(&gateway, Method::PUT, "/api/discounts/5", discount).await.problem(422, "invalid_field");
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["percentOff", "amountOff", "usageLimit"]);

    let without_code = json!({"code": "", "title": "Sale", "class": "line", "percentOff": 5});
    let problem = send(&gateway, Method::PUT, "/api/discounts/5", without_code).await;
    assert_eq!(problem.rejected_field(422, "invalid_field"), "code", "it would apply to each order");
}

#[tokio::test]
async fn lists_discounts_by_code() {
    let gateway = TestApp::start().await;
    let lists =
        gateway.orders.on("ListDiscounts", |request: ListDiscountsRequest| match request.code.as_str() {
            "spring" => Ok(ListDiscountsResponse::default()),
            _ => {
                let message = "must have 1 to 64 letters, digits, - and _".to_owned();
                Err(status::rejected_field(Code::InvalidArgument, "invalid_field", "code", message))
            }
        });
    let page = get(&gateway, "/api/discounts?code=spring&limit=5").await.json();
    assert_eq!(page, json!({"items": [], "nextCursor": null}));
    assert_eq!((lists.last().code.as_str(), lists.last().limit), ("spring", 5));
    let invalid = get(&gateway, "/api/discounts?code=%00").await;
    assert_eq!(invalid.rejected_field(400, "malformed_request"), "code");
}

#[tokio::test]
async fn only_admins_read_rules() {
    let gateway = TestApp::start().await;
    for path in
        ["/api/settings", "/api/settings/tax", "/api/shipping-zones", "/api/discounts", "/api/discounts/5"]
    {
        gateway.get(path).fetch().await.problem(401, "unauthenticated");
        let user = gateway.get(path).bearer_auth(gateway.identity.user());
        user.fetch().await.problem(403, "admin_only");
    }
}
