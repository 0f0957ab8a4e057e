//! Variants of products, in the catalog and in carts.

use bodega_proto::{
    cart::v1::{AddItemRequest, AddItemResponse, Cart, CartItem, RemoveItemRequest, RemoveItemResponse},
    catalog::v1::{
        BatchGetProductsRequest, BatchGetProductsResponse, GetProductRequest, GetProductResponse,
        ListProductsRequest, ListProductsResponse, Product, PutVariantsRequest, PutVariantsResponse,
        UpdateVariantRequest, UpdateVariantResponse, Variant,
    },
};
use bodega_runtime::status::{self, Violations};
use http::Method;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    products::mug,
    test_app::{SendRequest as _, TestApp, TestResponse},
};

/// The mug of version 7 in white and red.
fn mugs() -> Product {
    let variant = |id, colour: &str, price_minor, stock| Variant {
        id,
        product_id: 3,
        sku: format!("MUG-{colour}"),
        option_values: vec![colour.to_owned()],
        price_minor,
        stock: Some(stock),
        weight_grams: 350,
        tax_class: "standard".to_owned(),
        ..Variant::default()
    };
    let red = Variant { compare_at_minor: Some(1600), image_id: 11, ..variant(4, "red", 1400, 0) };
    Product {
        price_max_minor: Some(1400),
        option_names: vec!["Colour".to_owned()],
        variant_count: 2,
        variants: vec![variant(3, "white", 1250, 40), red],
        ..mug()
    }
}

async fn gateway() -> TestApp {
    let gateway = TestApp::start().await;
    gateway.catalog.on("GetProduct", |_: GetProductRequest| Ok(GetProductResponse { product: Some(mugs()) }));
    gateway.catalog.on("ListProducts", |_: ListProductsRequest| {
        Ok(ListProductsResponse { products: vec![mugs()], next_cursor: String::new() })
    });
    gateway
}

async fn send(gateway: &TestApp, method: Method, path: &str, body: Value) -> TestResponse {
    gateway.request(method, path).bearer_auth(gateway.identity.admin()).json(&body).fetch().await
}

#[tokio::test]
async fn a_product_shows_its_variants_and_a_list_only_on_request() {
    let gateway = gateway().await;
    let product = gateway.get("/api/products/3").fetch().await.json();
    assert_eq!((&product["price"], &product["priceMax"]), (&json!(12.5), &json!(14.0)));
    assert_eq!((&product["stock"], &product["options"]), (&json!(40), &json!(["Colour"])));
    let red = json!({
        "id": 4, "sku": "MUG-red", "barcode": null, "name": "red", "options": {"Colour": "red"}, "price": 14.0,
        "compareAtPrice": 16.0, "stock": 0, "available": false, "weight": 350, "requiresShipping": true,
        "taxClass": "standard", "imageId": 11
    });
    assert_eq!(product["variants"][1], red);
    assert_eq!(product["variants"].as_array().unwrap().len(), 2);

    let list = gateway.get("/api/products").fetch().await.json();
    assert_eq!(list["items"][0]["priceMax"], json!(14.0));
    assert!(list["items"][0].get("variants").is_none(), "{list}");
    let list = gateway.get("/api/products?include=variants").fetch().await.json();
    assert_eq!(list["items"][0], product);
}

#[tokio::test]
async fn a_product_without_options_has_one_variant() {
    let gateway = TestApp::start().await;
    gateway.catalog.on("GetProduct", |_: GetProductRequest| {
        Ok(GetProductResponse { product: Some(Product { variant_count: 1, ..mug() }) })
    });
    let product = gateway.get("/api/products/3").fetch().await.json();
    let variant = json!({
        "id": 3, "sku": null, "barcode": null, "name": null, "options": {}, "price": 12.5, "compareAtPrice": null,
        "stock": 40, "available": true, "weight": 0, "requiresShipping": true, "taxClass": "standard", "imageId": null
    });
    assert_eq!((&product["variants"], &product["options"]), (&json!([variant]), &json!([])));
    assert_eq!(product["priceMax"], json!(12.5));
}

#[tokio::test]
async fn declares_the_variants_of_a_product() {
    let gateway = gateway().await;
    let puts = gateway.catalog.on("PutVariants", |_: PutVariantsRequest| {
        Ok(PutVariantsResponse { product: Some(Product { version: 8, ..mugs() }), ..Default::default() })
    });
    let body = json!({"options": ["Size", "Colour"], "variants": [
        {"id": 3, "options": {"Colour": "red", "Size": "M"}, "price": 12.5, "compareAtPrice": "15", "stock": 4},
        {"sku": "MUG-L", "options": {"Size": "L", "Colour": "red"}, "price": 13, "weight": 400, "barcode": "123",
         "requiresShipping": false, "taxClass": "reduced", "imageId": 11},
    ]});
    let request = gateway.request(Method::PUT, "/api/products/3/variants").header("if-match", "\"7\"");
    let response = request.bearer_auth(gateway.identity.admin()).json(&body).fetch().await;
    assert_eq!((response.status, response.header("etag")), (200, "\"8\""));
    assert_eq!(response.json()["variants"][0]["sku"], "MUG-white");
    let options = |size: &str| vec![size.to_owned(), "red".to_owned()];
    let expected = PutVariantsRequest {
        product_id: 3,
        option_names: vec!["Size".to_owned(), "Colour".to_owned()],
        variants: vec![
            Variant {
                id: 3,
                option_values: options("M"),
                price_minor: 1250,
                compare_at_minor: Some(1500),
                stock: Some(4),
                ..Variant::default()
            },
            Variant {
                sku: "MUG-L".to_owned(),
                barcode: "123".to_owned(),
                option_values: options("L"),
                price_minor: 1300,
                weight_grams: 400,
                is_digital: true,
                tax_class: "reduced".to_owned(),
                image_id: 11,
                ..Variant::default()
            },
        ],
        expected_version: Some(7),
    };
    assert_eq!(puts.last(), expected);
}

#[tokio::test]
async fn names_the_rejected_fields_of_variants() {
    let gateway = gateway().await;
    gateway.catalog.on("PutVariants", |_: PutVariantsRequest| {
        let mut violations = Violations::new();
        for field in ["option_names", "variants[0].option_values", "variants[0].compare_at_minor"] {
            violations.add(field, "is invalid");
        }
        Err::<PutVariantsResponse, Status>(violations.into())
    });
    let path = "/api/products/3/variants";
    let problem = send(&gateway, Method::PUT, path, json!({"variants": [{"price": 1}]})).await;
    let problem = problem.problem(422, "invalid_field");
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["options", "variants[0].options", "variants[0].compareAtPrice"]);

    for (variant, field) in [
        (json!({"price": 1}), "variants[0].options"),
        (json!({"price": 1, "options": {"Size": "M", "Colour": "red"}}), "variants[0].options"),
        (json!({"price": 0.001, "options": {"Size": "M"}}), "variants[0].price"),
        (json!({"price": 1, "compareAtPrice": -1, "options": {"Size": "M"}}), "variants[0].compareAtPrice"),
        (json!({"options": {"Size": "M"}}), "variants[0].price"),
        (json!({"price": 1, "options": {"Size": 7}}), "variants[0].options.Size"),
    ] {
        let body = json!({"options": ["Size"], "variants": [variant]});
        let response = send(&gateway, Method::PUT, path, body.clone()).await;
        assert_eq!(response.rejected_field(422, "invalid_field"), field, "{body}");
    }
}

#[tokio::test]
async fn changes_fields_of_a_variant() {
    let gateway = gateway().await;
    let updates = gateway.catalog.on("UpdateVariant", |request: UpdateVariantRequest| match request.id {
        4 => Ok(UpdateVariantResponse { product: Some(mugs()) }),
        _ => Err(status::rejected(Code::NotFound, "variant_not_found", "variant not found")),
    });
    gateway.catalog.on("BatchGetProducts", |_: BatchGetProductsRequest| {
        Ok(BatchGetProductsResponse { products: vec![mugs()] })
    });
    let path = "/api/variants/4";
    let response = send(&gateway, Method::PATCH, path, json!({"price": 9.99, "stock": 0})).await;
    assert_eq!((response.status, response.header("etag")), (200, "\"7\""));
    let id = UpdateVariantRequest { id: 4, ..Default::default() };
    let expected = UpdateVariantRequest { price_minor: Some(999), stock: Some(0), ..id.clone() };
    assert_eq!(updates.last(), expected);

    let nulls = json!({"sku": null, "barcode": null, "compareAtPrice": null, "imageId": null});
    send(&gateway, Method::PATCH, path, nulls).await;
    let expected = UpdateVariantRequest {
        sku: Some(String::new()),
        barcode: Some(String::new()),
        compare_at_minor: Some(0),
        image_id: Some(0),
        ..id
    };
    assert_eq!(updates.last(), expected);
    for field in ["price", "stock", "weight", "requiresShipping", "taxClass", "options"] {
        let response = send(&gateway, Method::PATCH, path, json!({field: null})).await;
        assert_eq!(response.rejected_field(422, "invalid_field"), field);
    }

    // Of several versions, the current one is required.
    for (versions, expected) in [("\"6\", \"7\"", Some(7)), ("\"7\"", Some(7)), ("*", None)] {
        let request = gateway.request(Method::PATCH, path).header("if-match", versions);
        let response = request.bearer_auth(gateway.identity.admin()).json(&json!({"stock": 1})).fetch().await;
        assert_eq!((response.status, updates.last().expected_version), (200, expected), "{versions}");
    }
    let request = gateway.request(Method::PATCH, path).header("if-match", "\"5\", \"6\"");
    let request = request.bearer_auth(gateway.identity.admin()).json(&json!({"stock": 1}));
    request.fetch().await.problem(412, "version_mismatch");
    send(&gateway, Method::PATCH, "/api/variants/5", json!({})).await.problem(404, "variant_not_found");
}

#[tokio::test]
async fn lines_of_a_cart_have_variants() {
    let gateway = TestApp::start().await;
    let item = CartItem {
        product_id: 4,
        variant_of: 3,
        sku: "MUG-R".to_owned(),
        variant_name: "red".to_owned(),
        quantity: 1,
        ..Default::default()
    };
    let cart = Cart { items: vec![item], currency: "USD".to_owned(), count: 1, ..Default::default() };
    let removed = gateway
        .cart
        .on("RemoveItem", |_: RemoveItemRequest| Ok(RemoveItemResponse { cart: Some(Cart::default()) }));
    let added = gateway.cart.on("AddItem", move |_: AddItemRequest| {
        Ok(AddItemResponse { cart: Some(cart.clone()), guest_token: String::new() })
    });
    let token = |request: reqwest::RequestBuilder| request.header("x-cart-token", "guest").fetch();
    let line =
        token(gateway.post("/api/cart/add", json!({"variantId": 4}))).await.json()["products"][0].clone();
    assert_eq!((added.last().product_id, added.last().variant_id), (0, 4));
    assert_eq!((&line["productId"], &line["variantId"]), (&json!(3), &json!(4)));
    assert_eq!((&line["sku"], &line["variantName"]), (&json!("MUG-R"), &json!("red")));
    token(gateway.post("/api/cart/add", json!({"productId": 3, "variantId": 4}))).await;
    assert_eq!((added.last().product_id, added.last().variant_id), (3, 4));
    let response = token(gateway.post("/api/cart/add", json!({"quantity": 1}))).await;
    assert_eq!(response.rejected_field(422, "invalid_field"), "productId");
    token(gateway.post("/api/cart/remove", json!({"productId": 3, "variantId": 4}))).await;
    assert_eq!(removed.last().product_id, 4);
}

#[tokio::test]
async fn a_missing_choice_is_named() {
    let gateway = TestApp::start().await;
    gateway.cart.on("AddItem", |_: AddItemRequest| {
        let message = "must be one of 3 (white), 4 (red)".to_owned();
        let rejected =
            status::rejected_field(Code::InvalidArgument, "variant_required", "variant_id", message);
        Err::<AddItemResponse, Status>(rejected)
    });
    let problem = gateway.post("/api/cart/add", json!({"productId": 3})).fetch().await;
    let problem = problem.problem(422, "variant_required");
    assert_eq!(
        problem["errors"],
        json!([{"field": "variantId", "message": "must be one of 3 (white), 4 (red)"}])
    );
}
