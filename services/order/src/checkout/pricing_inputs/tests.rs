use bodega_embedded_postgres::testing::{TestDatabase, database};
use bodega_pricing::{ShippingBasis, price};
use bodega_runtime::database::{Pool, migrate};
use uuid::Uuid;

use super::*;
use crate::{MIGRATOR, SCHEMA};

struct Store {
    db: Pool,
    _database: TestDatabase,
}

impl Store {
    /// Creates a database with these rows.
    async fn with(sql: &'static str) -> Self {
        let database =
            database("order", |url| async move { migrate(&url.parse()?, SCHEMA, &MIGRATOR).await });
        let database = database.await;
        let db = Pool::new(database.url().parse().unwrap(), 2, std::time::Duration::from_secs(30));
        sqlx::raw_sql(sql).execute(&db).await.unwrap();
        Self { db, _database: database }
    }

    async fn load(&self, place: Option<(&str, &str)>, codes: &[&str], user_id: Option<Uuid>) -> Inputs {
        let place =
            place.map(|(country, region)| Place { country: country.to_owned(), region: region.to_owned() });
        let codes: Vec<_> = codes.iter().map(|code| (*code).to_owned()).collect();
        load(&self.db, place.as_ref(), &codes, user_id).await.unwrap()
    }
}

fn item(product_id: i32, price_minor: i64, quantity: i32) -> CartItem {
    CartItem { product_id, price_minor, quantity, requires_shipping: true, ..CartItem::default() }
}

/// 20 % of 0.26 is 0.05; of 0.13 twice, it would be 0.06.
#[test]
fn the_tax_of_classes_with_the_same_rate_is_rounded_once() {
    let tax = |tax_class: &str, name: &str| TaxRate {
        tax_class: tax_class.to_owned(),
        name: name.to_owned(),
        rate: Rate::from_ppm(200_000).unwrap(),
    };
    let in_class = |tax_class: &str| CartItem { tax_class: tax_class.to_owned(), ..item(1, 13, 1) };
    let items = [in_class("Books"), in_class(""), in_class("food")];
    let tax_rates = vec![tax("books", "VAT"), tax("food", "Food tax"), tax("standard", "VAT")];
    let inputs = Inputs { tax_rates, ..Inputs::default() };
    let breakdown = price(&inputs.cart(&items, None)).unwrap();
    let taxes: Vec<_> = breakdown.taxes.iter().map(|tax| (tax.rate, tax.tax_minor)).collect();
    assert_eq!(taxes, [(0, 5), (1, 3)]);
}

#[tokio::test]
async fn a_store_without_rules_has_the_default_inputs() {
    let store = Store::with("").await;
    assert_eq!(store.load(Some(("DE", "")), &[], None).await, Inputs::default());
    assert_eq!(store.load(None, &["X"], None).await, Inputs::without_rules(&["X".to_owned()]));
}

#[tokio::test]
async fn the_most_exact_place_decides_tax_and_shipping() {
    let store = Store::with(
        "update orders.settings set country = 'DE', prices_include_tax = true, require_shipping = true;
         insert into orders.tax_rates (country, region, tax_class, name, rate_ppm) values
             ('DE', '', 'standard', 'VAT', 190000), ('DE', '', 'reduced', 'VAT', 70000),
             ('US', '', 'standard', 'Federal', 10000), ('US', 'NY', 'standard', 'Sales tax', 88750);
         insert into orders.shipping_zones (name) values ('US'), ('NY');
         insert into orders.shipping_zone_places (country, region, zone_id) values ('US', '', 1), ('US', 'NY', 2);
         insert into orders.shipping_methods (zone_id, position, title, kind, basis) values
             (1, 0, 'Parcel', 'delivery', 'subtotal'), (2, 1, 'Courier', 'delivery', 'weight'),
             (2, 0, 'Collect', 'pickup', 'flat');
         insert into orders.shipping_rates (method_id, at_least, price_minor) values
             (1, 5000, 0), (1, 0, 490), (2, 0, 900), (3, 0, 0);",
    )
    .await;
    let rates = |inputs: &Inputs| -> Vec<_> {
        inputs.tax_rates.iter().map(|rate| (rate.tax_class.clone(), rate.rate.ppm())).collect()
    };
    let home = store.load(None, &[], None).await;
    assert!(home.prices_include_tax && home.require_shipping && home.methods.is_empty());
    assert_eq!(rates(&home), [("reduced".to_owned(), 70_000), ("standard".to_owned(), 190_000)]);

    let texas = store.load(Some(("US", "tx")), &[], None).await;
    assert_eq!(rates(&texas), [("standard".to_owned(), 10_000)]);
    let parcel = &texas.methods[0];
    assert_eq!(
        (parcel.title.as_str(), parcel.is_pickup, parcel.rate.basis),
        ("Parcel", false, ShippingBasis::Subtotal)
    );
    let total = |quantity| price(&texas.cart(&[item(1, 1000, quantity)], Some(parcel))).unwrap().total_minor;
    assert_eq!((total(4), total(5)), (4490, 5000), "free from 50.00");

    let new_york = store.load(Some(("US", " ny")), &[], None).await;
    assert_eq!(rates(&new_york), [("standard".to_owned(), 88_750)]);
    let titles: Vec<_> =
        new_york.methods.iter().map(|method| (method.title.as_str(), method.is_pickup)).collect();
    assert_eq!(titles, [("Collect", true), ("Courier", false)]);
    assert!(store.load(Some(("FR", "")), &[], None).await.tax_rates.is_empty());
}

#[tokio::test]
async fn codes_are_offered_or_rejected_by_name() {
    let store = Store::with(
        "insert into orders.discounts (code, title, class, rate_ppm) values ('SALE', 'Sale', 'order', 100000);
         insert into orders.discounts (code, title, class, rate_ppm, starts_at)
             values ('SOON', 'Soon', 'order', 1, now() + interval '1 day');
         insert into orders.discounts (code, title, class, rate_ppm, ends_at) values ('PAST', 'Past', 'order', 1, now());
         insert into orders.discounts (code, title, class, rate_ppm, usage_limit, used)
             values ('FULL', 'Full', 'order', 1, 2, 2), ('LAST', 'Last', 'shipping', 1, 2, 1);
         insert into orders.discounts (code, title, class, rate_ppm, active) values ('OFF', 'Off', 'order', 1, false);
         insert into orders.discounts (code, title, class, rate_ppm, archived_at) values ('GONE', 'Gone', 'order', 1, now());
         insert into orders.discounts (code, title, class, rate_ppm, once_per_customer) values ('ONCE', 'Once', 'order', 1, true);
         insert into orders.discounts (title, class, amount_minor, product_ids, category_ids)
             values ('Mugs', 'line', 200, '{1}', '{5}');
         insert into orders.discounts (title, class, amount_minor, starts_at) values ('Later', 'line', 2, now() + interval '1 day');",
    )
    .await;
    let codes = ["SALE", "NONE", "SOON", "PAST", "FULL", "LAST", "OFF", "GONE", "ONCE"];
    let inputs = store.load(None, &codes, None).await;
    let rejected: Vec<_> = inputs
        .rejected_codes
        .iter()
        .map(|rejected| (rejected.code.as_str(), rejected.reason.as_str()))
        .collect();
    let expected = [
        ("NONE", "unknown"),
        ("SOON", "not_yet"),
        ("PAST", "ended"),
        ("FULL", "exhausted"),
        ("OFF", "unknown"),
        ("GONE", "unknown"),
        ("ONCE", "sign_in_required"),
    ];
    assert_eq!(rejected, expected);
    let offered: Vec<_> = inputs.discounts.iter().map(|offered| offered.title.as_str()).collect();
    assert_eq!(offered, ["Sale", "Last", "Mugs"]);

    // 2 x (10.00 - 2.00) for the mug, 5.00 for the product of the category after 2.00, then 10 %.
    let of_category = CartItem { category_id: Some(5), ..item(2, 700, 1) };
    let total = price(&inputs.cart(&[item(1, 1000, 2), of_category, item(3, 900, 1)], None)).unwrap();
    assert_eq!(total.total_minor, (1600 + 500 + 900) * 9 / 10);
}

#[tokio::test]
async fn a_customer_uses_a_code_once_unless_the_order_was_cancelled() {
    let store = Store::with(
        "insert into orders.discounts (code, title, class, rate_ppm, once_per_customer) values ('ONCE', 'Once', 'order', 1, true);
         insert into orders.orders (id, user_id, cart_version, status, total_minor, currency, placed_at)
         values ('01a2016b-b37e-7337-8d64-0a82f4f48e04', '01a2016b-b37e-7337-8d64-0a82f4f48e05', 1, 'pending', 100, 'USD', now());
         insert into orders.order_discounts (order_id, discount_id, code, title, class, amount_minor)
         values ('01a2016b-b37e-7337-8d64-0a82f4f48e04', 1, 'ONCE', 'Once', 'order', 1);",
    )
    .await;
    let user = Uuid::from_u128(0x01a2_016b_b37e_7337_8d64_0a82_f4f4_8e05);
    let reason = async |user| {
        let inputs = store.load(None, &["ONCE"], Some(user)).await;
        inputs.rejected_codes.first().map(|rejected| rejected.reason)
    };
    assert_eq!(reason(user).await, Some(CodeRejection::AlreadyUsed));
    assert_eq!(reason(Uuid::now_v7()).await, None);
    let cancel = "insert into orders.order_events (order_id, status, created_at)
                  select id, 'cancelled', now() from orders.orders";
    sqlx::query(cancel).execute(&store.db).await.unwrap();
    assert_eq!(reason(user).await, None);
}
