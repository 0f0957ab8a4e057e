//! Settings, taxes, shipping zones and discounts, as admins change them.

use bodega_proto::order::v1::{
    CreateShippingZoneRequest, DeleteDiscountRequest, DeleteShippingZoneRequest, Discount,
    GetDiscountRequest, GetSettingsRequest, GetShippingZoneRequest, ListDiscountsRequest,
    ListShippingZonesRequest, ListTaxRatesRequest, ReplaceShippingZoneRequest, ReplaceTaxRatesRequest,
    ShippingBasis, ShippingKind, ShippingMethod, ShippingPlace, ShippingRate, ShippingZone, StoreSettings,
    TaxRate, UpdateSettingsRequest,
};
use bodega_runtime::auth::Role;
use futures_util::future::join_all;
use tonic::Code;
use uuid::Uuid;

use crate::{
    rules::discount,
    test_app::{TestApp, error_reason, until_available},
};

fn rate(country: &str, region: &str, name: &str, rate_ppm: i32) -> TaxRate {
    TaxRate {
        country: country.to_owned(),
        region: region.to_owned(),
        tax_class: "standard".to_owned(),
        name: name.to_owned(),
        rate_ppm,
    }
}

fn method(id: i32, title: &str, rates: &[(i64, i64)]) -> ShippingMethod {
    let rates =
        rates.iter().map(|(at_least, price)| ShippingRate { at_least: *at_least, price_minor: *price });
    ShippingMethod {
        id,
        title: title.to_owned(),
        kind: ShippingKind::Delivery.into(),
        basis: ShippingBasis::Subtotal.into(),
        rates: rates.collect(),
    }
}

fn zone(places: &[(&str, &str)], methods: Vec<ShippingMethod>) -> ShippingZone {
    let places = places.iter().map(|(country, region)| ShippingPlace {
        country: (*country).to_owned(),
        region: (*region).to_owned(),
    });
    ShippingZone { id: 0, name: "Zone".to_owned(), places: places.collect(), methods }
}

impl TestApp {
    async fn create_zone(&self, zone: ShippingZone) -> Result<ShippingZone, tonic::Status> {
        let request = CreateShippingZoneRequest { zone: Some(zone) };
        Ok(self.rules().create_shipping_zone(request).await?.into_inner().zone.unwrap())
    }

    async fn tax_rates(&self) -> Vec<TaxRate> {
        self.rules().list_tax_rates(ListTaxRatesRequest {}).await.unwrap().into_inner().rates
    }

    /// Returns the actions of the audit log, in their order.
    async fn audited(&self) -> Vec<String> {
        let actions = sqlx::query_scalar("select action from orders.audit_events order by id");
        actions.fetch_all(&self.db).await.unwrap()
    }
}

#[tokio::test]
async fn a_new_store_has_no_rules() {
    let app = TestApp::start().await;
    let settings = app.rules().get_settings(GetSettingsRequest {}).await.unwrap().into_inner().settings;
    assert_eq!(settings, Some(StoreSettings::default()));
    assert!(app.tax_rates().await.is_empty());
    let zones = app.rules().list_shipping_zones(ListShippingZonesRequest {}).await.unwrap().into_inner();
    assert!(zones.zones.is_empty());
    let discounts = app.rules().list_discounts(ListDiscountsRequest::default()).await.unwrap().into_inner();
    assert!(discounts.discounts.is_empty());
}

#[tokio::test]
async fn settings_are_replaced_and_audited() {
    let app = TestApp::start().await;
    let update = async |country: &str| {
        let settings =
            StoreSettings { require_shipping: true, country: country.to_owned(), prices_include_tax: true };
        app.rules().update_settings(UpdateSettingsRequest { settings: Some(settings) }).await
    };
    let changed = update("de").await.unwrap().into_inner().settings.unwrap();
    assert_eq!((changed.country.as_str(), changed.require_shipping), ("DE", true));
    let read = app.rules().get_settings(GetSettingsRequest {}).await.unwrap().into_inner().settings.unwrap();
    assert_eq!(read, changed);
    assert_eq!(error_reason(update("Germany").await), "invalid_field");
    assert_eq!(app.audited().await, ["settings.updated"]);
}

#[tokio::test]
async fn only_admins_may_read_and_change_rules() {
    let app = TestApp::start().await;
    let mut user = app.rules_as(Uuid::now_v7(), Role::User);
    assert_eq!(error_reason(user.get_settings(GetSettingsRequest {}).await), "admin_only");
    assert_eq!(error_reason(user.list_discounts(ListDiscountsRequest::default()).await), "admin_only");
    assert_eq!(error_reason(user.update_settings(UpdateSettingsRequest::default()).await), "admin_only");
    let mut key = app.rules_as(Uuid::now_v7(), Role::ApiKey);
    assert_eq!(error_reason(key.get_settings(GetSettingsRequest {}).await), "insufficient_scope");
}

#[tokio::test]
async fn the_tax_table_is_replaced_as_a_whole() {
    let app = TestApp::start().await;
    let replace = async |rates: Vec<TaxRate>| {
        app.rules().replace_tax_rates(ReplaceTaxRatesRequest { rates }).await.map(tonic::Response::into_inner)
    };
    let first =
        replace(vec![rate("US", "ny", "Sales tax", 88_750), rate("DE", "", "VAT", 190_000)]).await.unwrap();
    let expected = [rate("DE", "", "VAT", 190_000), rate("US", "NY", "Sales tax", 88_750)];
    assert_eq!(first.rates, expected);
    let invalid = replace(vec![rate("DE", "", "VAT", 190_000), rate("de", "", "VAT", 0)]).await;
    assert_eq!(error_reason(invalid), "invalid_field");
    assert_eq!(app.tax_rates().await, expected, "a rejected table changes nothing");
    assert!(replace(Vec::new()).await.unwrap().rates.is_empty());
}

/// Of parallel replacements, one follows the other: the table is that of a single request.
#[tokio::test]
async fn parallel_tax_tables_are_not_mixed() {
    let app = TestApp::start().await;
    let replacements = (0..50).map(|index| {
        let name = format!("table {index}");
        let rates = ["AT", "DE", "FR"].map(|country| rate(country, "", &name, index * 1000)).into();
        let (rules, request) = (app.rules(), ReplaceTaxRatesRequest { rates });
        async move { until_available(async || rules.clone().replace_tax_rates(request.clone()).await).await }
    });
    let results = join_all(replacements).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let rates = app.tax_rates().await;
    assert_eq!(rates.len(), 3);
    assert!(rates.iter().all(|rate| rate.name == rates[0].name), "{rates:?}");
    assert!(app.audited().await.len() >= 50, "repeated calls are audited, too");
}

#[tokio::test]
async fn a_zone_keeps_the_ids_of_its_methods() {
    let app = TestApp::start().await;
    let methods = vec![method(0, "Parcel", &[(5000, 0), (0, 490)]), method(0, "Express", &[(0, 990)])];
    let created = app.create_zone(zone(&[("de", ""), ("AT", "tyrol")], methods)).await.unwrap();
    assert_eq!(created.places[0], ShippingPlace { country: "AT".to_owned(), region: "TYROL".to_owned() });
    let titles: Vec<_> = created.methods.iter().map(|method| method.title.as_str()).collect();
    assert_eq!(titles, ["Parcel", "Express"]);
    assert_eq!(created.methods[0].rates[0], ShippingRate { at_least: 0, price_minor: 490 });
    let read = app.rules().get_shipping_zone(GetShippingZoneRequest { id: created.id }).await;
    assert_eq!(read.unwrap().into_inner().zone.unwrap(), created);

    let replace = async |zone: ShippingZone| {
        let request = ReplaceShippingZoneRequest { id: created.id, zone: Some(zone) };
        Ok::<_, tonic::Status>(app.rules().replace_shipping_zone(request).await?.into_inner().zone.unwrap())
    };
    let same = replace(created.clone()).await.unwrap();
    assert_eq!(same, created, "a second time, the same document changes nothing");
    let (parcel, express) = (created.methods[0].id, created.methods[1].id);
    let methods = vec![
        method(express, "Courier", &[(0, 1200)]),
        method(0, "parcel", &[(0, 500)]),
        method(0, "Bicycle", &[(0, 300)]),
    ];
    let changed = replace(zone(&[("DE", "")], methods)).await.unwrap();
    let ids: Vec<_> = changed.methods.iter().map(|method| method.id).collect();
    assert_eq!(ids[..2], [express, parcel]);
    assert!(ids[2] > express && ids[2] > parcel, "{ids:?}");
    let changed = replace(zone(&[("DE", "")], vec![method(ids[2], "Bicycle", &[(0, 300)])])).await.unwrap();
    assert_eq!(changed.methods.len(), 1);
    let unknown = replace(zone(&[("DE", "")], vec![method(parcel, "Parcel", &[(0, 1)])])).await;
    assert_eq!(error_reason(unknown), "invalid_field", "the method was deleted");
}

#[tokio::test]
async fn a_place_belongs_to_one_zone() {
    let app = TestApp::start().await;
    let germany = app.create_zone(zone(&[("DE", "")], Vec::new())).await.unwrap();
    app.create_zone(zone(&[("DE", "berlin")], Vec::new())).await.unwrap();
    let twice = app.create_zone(zone(&[("AT", ""), ("de", "")], Vec::new())).await;
    assert_eq!(error_reason(twice), "shipping_place_taken");
    let delete = DeleteShippingZoneRequest { id: germany.id };
    app.rules().delete_shipping_zone(delete).await.unwrap();
    let missing = app.rules().delete_shipping_zone(delete).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    app.create_zone(zone(&[("AT", ""), ("de", "")], Vec::new())).await.unwrap();
    let actions = app.audited().await;
    let count = |action: &str| actions.iter().filter(|known| *known == action).count();
    assert_eq!((count("shipping_zone.created"), count("shipping_zone.deleted")), (3, 1));
}

#[tokio::test]
async fn discounts_are_created_replaced_listed_and_deleted() {
    let app = TestApp::start().await;
    let spring = app.create_discount(Discount { usage_limit: Some(50), ..discount("spring") }).await.unwrap();
    assert_eq!((spring.code.as_str(), spring.used, spring.rate_ppm), ("SPRING", 0, Some(100_000)));
    assert_eq!(error_reason(app.create_discount(discount("Spring")).await), "discount_code_exists");
    let amount = Discount { rate_ppm: None, amount_minor: Some(500), ..discount("") };
    let automatic = app.create_discount(amount).await.unwrap();
    let changed = Discount { product_ids: vec![2, 1, 2], active: false, ..discount("summer") };
    let changed = app.replace_discount(spring.id, changed).await.unwrap();
    assert_eq!(
        (changed.code.as_str(), &changed.product_ids[..], changed.usage_limit),
        ("SUMMER", &[1, 2][..], None)
    );
    let read = app.rules().get_discount(GetDiscountRequest { id: spring.id }).await.unwrap().into_inner();
    assert_eq!(read.discount.unwrap(), changed);

    let list = async |request: ListDiscountsRequest| {
        let page = app.rules().list_discounts(request).await.unwrap().into_inner();
        (page.discounts.into_iter().map(|discount| discount.id).collect::<Vec<_>>(), page.next_cursor)
    };
    let (first, cursor) = list(ListDiscountsRequest { limit: 1, ..ListDiscountsRequest::default() }).await;
    assert_eq!(first, [automatic.id], "the newest first");
    let request = ListDiscountsRequest { limit: 1, cursor, ..ListDiscountsRequest::default() };
    assert_eq!(list(request).await, (vec![spring.id], String::new()));
    let by_code = ListDiscountsRequest { code: "summer".to_owned(), ..ListDiscountsRequest::default() };
    assert_eq!(list(by_code).await.0, [spring.id]);

    let delete = DeleteDiscountRequest { id: spring.id };
    app.rules().delete_discount(delete).await.unwrap();
    assert_eq!(error_reason(app.rules().delete_discount(delete).await), "discount_not_found");
    assert_eq!(error_reason(app.replace_discount(spring.id, discount("x")).await), "discount_not_found");
    app.create_discount(discount("summer")).await.unwrap();
    assert_eq!(
        app.audited().await,
        ["discount.created", "discount.created", "discount.updated", "discount.deleted", "discount.created"]
    );
}

#[tokio::test]
async fn a_store_has_at_most_100_discounts_without_a_code() {
    let app = TestApp::start().await;
    for _ in 0..100 {
        app.create_discount(discount("")).await.unwrap();
    }
    assert_eq!(error_reason(app.create_discount(discount("")).await), "too_many_discounts");
    let coded = app.create_discount(discount("code")).await.unwrap();
    assert_eq!(error_reason(app.replace_discount(coded.id, discount("")).await), "too_many_discounts");
}
