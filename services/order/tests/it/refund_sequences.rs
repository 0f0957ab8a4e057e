//! Sequences of refunds of orders with taxes, shipping and discounts.

use std::collections::BTreeMap;

use bodega_proto::catalog::v1::ReservedLine;
use bodega_proto::order::v1::{
    CreateRefundRequest, Discount, DiscountClass, Order, OrderStatus, PaymentStatus, Refund, RefundStatus,
    ShippingBasis, StoreSettings,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    returns::{refunding, returning},
    rules::{discount, form},
    test_app::{MUG, PEN, TestApp, error_reason},
};

const ORDERS: u64 = 16;
/// More refunds than any of these orders needs.
const MAX_REFUNDS: usize = 100;

/// What was refunded of an order, in minor units.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refunded {
    total: i64,
    tax: i64,
    shipping: i64,
    lines: BTreeMap<i32, i64>,
    units: BTreeMap<i32, i32>,
}

impl Refunded {
    fn add(&mut self, refund: &Refund) {
        assert_eq!(refund.status(), RefundStatus::Succeeded);
        assert!(refund.tax_minor <= refund.amount_minor, "{refund:?}");
        self.total += refund.amount_minor;
        self.tax += refund.tax_minor;
        self.shipping += refund.shipping_minor;
        for line in &refund.lines {
            *self.lines.entry(line.variant_id).or_default() += line.amount_minor;
            *self.units.entry(line.variant_id).or_default() += line.quantity;
        }
    }

    fn units_left(&self, order: &Order) -> Vec<(i32, i32)> {
        let left = order.items.iter().map(|item| {
            let returned = self.units.get(&item.product_id).copied().unwrap_or_default();
            (item.product_id, item.quantity - returned)
        });
        left.filter(|(_, units)| *units > 0).collect()
    }
}

/// Places an order with amounts that are not divisible, and pays it.
async fn paid_order(app: &TestApp, random: &mut StdRng, method: i32) -> Order {
    let user = app.user_with_cart(&[]);
    for product in [MUG, PEN, BOOK] {
        app.cart.add(user, product, random.random_range(1..=7), 1);
    }
    let order = app.place_form(user, "", form(Some(method), &["LESS"])).await.unwrap();
    app.update_status(&order.id, OrderStatus::Paid).await.unwrap()
}

/// Returns a refund that may be possible: units, shipping, or an amount.
fn next_refund(random: &mut StdRng, order: &Order, refunded: &Refunded) -> CreateRefundRequest {
    let left = refunded.units_left(order);
    match random.random_range(0..4) {
        0 | 1 if !left.is_empty() => {
            let lines: Vec<_> = left.iter().filter(|_| random.random_bool(0.6)).copied().collect();
            let lines = if lines.is_empty() { vec![left[0]] } else { lines };
            let units = lines.iter().map(|(product, units)| (*product, random.random_range(1..=*units)));
            let units: Vec<_> = units.collect();
            CreateRefundRequest { restock: random.random_bool(0.5), ..returning(order, &units) }
        }
        2 => CreateRefundRequest { shipping: true, ..returning(order, &[]) },
        _ => refunding(order, random.random_range(1..=(order.total_minor - refunded.total).min(997))),
    }
}

const BOOK: i32 = 50;

/// Returns, refunds of shipping and refunds of amounts, in any order, give back what was paid for each line and for shipping, with
/// its taxes, to the unit.
#[tokio::test]
async fn refunds_in_any_order_give_back_what_was_paid() {
    let app = TestApp::start().await;
    app.catalog.add_stock(BOOK, "Book", 1237, 1000);
    let details = ReservedLine { tax_class: "books".to_owned(), ..ReservedLine::default() };
    app.catalog.describe(BOOK, details);
    app.set_taxes(&[("standard", 192_307), ("books", 70_001)]).await;
    let method = app.create_shipping_method(ShippingBasis::Flat, &[(0, 491)]).await;
    app.create_discount(Discount { rate_ppm: None, amount_minor: Some(333), ..discount("LESS") })
        .await
        .unwrap();
    let seventh = Discount {
        class: DiscountClass::Line.into(),
        rate_ppm: Some(142_857),
        product_ids: vec![MUG, BOOK],
        ..discount("")
    };
    app.create_discount(seventh).await.unwrap();

    for seed in 0..ORDERS {
        let mut random = StdRng::seed_from_u64(seed);
        let prices_include_tax = seed % 2 == 0;
        app.set_settings(StoreSettings { prices_include_tax, ..StoreSettings::default() }).await;
        let order = paid_order(&app, &mut random, method).await;
        let parts = order.breakdown.clone().unwrap();
        assert!(parts.discount_total_minor > 0 && parts.tax_total_minor > 0, "{parts:?}");

        let mut refunded = Refunded::default();
        let mut refunds = 0;
        while refunded.total < order.total_minor {
            refunds += 1;
            assert!(refunds <= MAX_REFUNDS, "seed {seed}: {refunded:?} of {order:?}");
            match app.refund(next_refund(&mut random, &order, &refunded)).await {
                Ok(refund) => refunded.add(&refund),
                // Nothing is left of shipping.
                rejected => assert_eq!(error_reason(rejected), "refund_exceeds_paid", "seed {seed}"),
            }
        }

        let lines = order.items.iter().map(|item| (item.product_id, item.total_minor.unwrap()));
        let lines: BTreeMap<_, _> = lines.filter(|(_, total)| *total > 0).collect();
        refunded.lines.retain(|_, amount| *amount > 0);
        assert_eq!(refunded.lines, lines, "seed {seed}");
        assert_eq!(refunded.tax, parts.tax_total_minor, "seed {seed}");
        let shipping = order.total_minor - lines.values().sum::<i64>();
        assert!(shipping >= parts.shipping_total_minor, "seed {seed}");
        assert_eq!(refunded.shipping, shipping, "seed {seed}");
        let payment = app.get(&order.id).await.payment.unwrap();
        assert_eq!((payment.status(), payment.refunded_minor), (PaymentStatus::Refunded, order.total_minor));
        assert_eq!(error_reason(app.refund(refunding(&order, 1)).await), "refund_exceeds_paid");
    }
    app.assert_returns_add_up().await;
}
