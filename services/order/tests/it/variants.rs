//! What the catalog knows of a variant is stored with the line of the order, and decides what the order costs.

use bodega_proto::{
    cart::v1::PricedLine,
    catalog::v1::ReservedLine,
    order::v1::{
        Discount, DiscountClass, OrderItem, PlaceOrderRequest, ProductVersion, ShippingBasis, StoreSettings,
    },
};

use crate::{
    returns::returning,
    rules::{discount, form},
    test_app::{MUG, TestApp, error_reason, id, with_long_deadline},
};

/// A product, and a variant of it.
const SHIRT: i32 = 40;
const RED_SHIRT: i32 = 41;
const BOOK: i32 = 50;
const DOWNLOAD: i32 = 51;
const CLOTHES: i32 = 7;
const BOOKS: i32 = 9;

impl TestApp {
    /// Adds 100 units of a product to the catalog, of which cart and catalog know these details.
    fn describe(&self, product: i32, price_minor: i64, details: &ReservedLine) {
        let name = format!("Product {product}");
        self.catalog.add_stock(product, &name, price_minor, 100);
        self.catalog.describe(product, details.clone());
        let ReservedLine { variant_of, sku, variant_name, tax_class, weight_grams, is_digital, .. } =
            details.clone();
        let category_id = Some(details.category_id).filter(|id| *id != 0);
        let priced = PricedLine {
            name,
            category_id,
            variant_of,
            sku,
            variant_name,
            tax_class,
            weight_grams,
            is_digital,
            ..PricedLine::default()
        };
        self.cart.describe(product, priced);
    }

    fn describe_all(&self) {
        let shirt = ReservedLine {
            variant_of: SHIRT,
            sku: "SHIRT-M-R".to_owned(),
            variant_name: "M / red".to_owned(),
            category_id: CLOTHES,
            weight_grams: 250,
            ..ReservedLine::default()
        };
        self.describe(RED_SHIRT, 2000, &shirt);
        let book = ReservedLine {
            sku: "BOOK".to_owned(),
            tax_class: "books".to_owned(),
            category_id: BOOKS,
            weight_grams: 600,
            ..ReservedLine::default()
        };
        self.describe(BOOK, 1250, &book);
        let download = ReservedLine {
            is_digital: true,
            tax_class: "books".to_owned(),
            weight_grams: 5000,
            ..ReservedLine::default()
        };
        self.describe(DOWNLOAD, 999, &download);
    }
}

/// The stored tax class, weight of a unit, and whether it is shipped.
type Stored = (i32, String, i32, bool);

#[tokio::test]
async fn lines_and_totals_have_the_details_of_variants() {
    let app = TestApp::start().await;
    app.describe_all();
    app.set_settings(StoreSettings { prices_include_tax: true, ..StoreSettings::default() }).await;
    app.set_taxes(&[("standard", 190_000), ("books", 70_000)]).await;
    let method = app.create_shipping_method(ShippingBasis::Weight, &[(0, 490), (1000, 990)]).await;
    let shirts = Discount { class: DiscountClass::Line.into(), product_ids: vec![SHIRT], ..discount("") };
    app.create_discount(shirts).await.unwrap();
    let books =
        Discount { category_ids: vec![BOOKS], rate_ppm: None, amount_minor: Some(100), ..discount("BOOKS") };
    app.create_discount(books).await.unwrap();

    let user = app.user_with_cart(&[]);
    for (product, quantity, price) in [(DOWNLOAD, 1, 999), (RED_SHIRT, 2, 2000), (BOOK, 1, 1250)] {
        app.cart.add(user, product, quantity, price);
    }
    let form = form(Some(method), &["BOOKS"]);
    let quoted = app.quote(user, form.clone()).await.unwrap();
    let request = PlaceOrderRequest { form: Some(form), ..PlaceOrderRequest::default() };
    let response = with_long_deadline(app.client(user).place_order(request)).await.unwrap().into_inner();
    let order = response.order.unwrap();

    let details = |item: &OrderItem| {
        let OrderItem { product_id, variant_of, sku, variant_name, .. } = item.clone();
        (product_id, variant_of, sku, variant_name)
    };
    let text = str::to_owned;
    assert_eq!(
        order.items.iter().map(details).collect::<Vec<_>>(),
        [
            (RED_SHIRT, SHIRT, text("SHIRT-M-R"), text("M / red")),
            (BOOK, 0, text("BOOK"), String::new()),
            (DOWNLOAD, 0, String::new(), String::new()),
        ]
    );
    let discounts: Vec<_> = order.items.iter().map(|item| item.discount_minor).collect();
    assert_eq!(discounts, [Some(400), Some(100), Some(0)]);
    // 1100 g are shipped.
    assert_eq!(order.total_minor, 4000 - 400 + 1250 - 100 + 999 + 990);
    let parts = order.breakdown.clone().unwrap();
    let taxes: Vec<_> = parts.taxes.iter().map(|tax| (tax.rate_ppm, tax.tax_minor)).collect();
    assert_eq!(parts.shipping_total_minor, 990);
    assert_eq!(taxes.iter().map(|(_, tax)| tax).sum::<i64>(), parts.tax_total_minor);
    let mut rates: Vec<_> = taxes.iter().map(|(rate, _)| *rate).collect();
    rates.sort_unstable();
    assert_eq!(rates, [70_000, 190_000]);

    let stored: Vec<Stored> = sqlx::query_as(
        "select product_id, tax_class, weight_grams, requires_shipping from orders.order_items
         where order_id = $1 order by product_id",
    )
    .bind(id(&order))
    .fetch_all(&app.db)
    .await
    .unwrap();
    let line = |product: i32, class: &str, grams, is_shipped| (product, class.to_owned(), grams, is_shipped);
    assert_eq!(
        stored,
        [
            line(RED_SHIRT, "", 250, true),
            line(BOOK, "books", 600, true),
            line(DOWNLOAD, "books", 5000, false)
        ]
    );

    // The versions are those of products, which caches know.
    let versions = |product_id| ProductVersion { product_id, version: 2 };
    assert_eq!(response.product_versions, [SHIRT, BOOK, DOWNLOAD].map(versions));
    let items: Vec<_> = quoted.lines.into_iter().map(|line| line.item.unwrap()).collect();
    assert_eq!((items, quoted.total_minor), (order.items.clone(), order.total_minor));
    assert_eq!(quoted.breakdown, order.breakdown);
    assert_eq!(app.get(&order.id).await, order);
    app.assert_consistent().await;

    app.update_status(&order.id, bodega_proto::order::v1::OrderStatus::Paid).await.unwrap();
    let refund = app.refund(returning(&order, &[(RED_SHIRT, 1)])).await.unwrap();
    assert_eq!((refund.lines[0].variant_id, refund.amount_minor), (RED_SHIRT, 1800));
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn what_is_not_shipped_needs_no_address() {
    let app = TestApp::start().await;
    app.describe_all();
    app.set_settings(StoreSettings { require_shipping: true, ..StoreSettings::default() }).await;
    let user = app.user_with_cart(&[]);
    app.cart.add(user, DOWNLOAD, 1, 999);
    assert_eq!(app.place(user, "").await.unwrap().total_minor, 999);
    app.cart.add(user, DOWNLOAD, 1, 999);
    app.add_to_cart(user, &[(MUG, 1)]);
    assert_eq!(error_reason(app.place(user, "").await), "shipping_required");
    app.assert_consistent().await;
}
