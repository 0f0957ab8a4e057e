//! Taxes, shipping and discount codes of the store, and the variants of some products.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{api::Request, session::Session};

/// The number of discount codes.
pub(super) const CODES: usize = 3;
/// Some are used up during a run, others are not.
const LIMITS: [u32; CODES] = [10, 60, 100_000];

/// What clients name in their forms. Prices and rates are those that `invariants/selling.rs` expects.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) shipping_method: i64,
    pub(super) codes: Vec<String>,
}

impl Rules {
    /// Creates a tax of 8.875 %, a shipping method for 4.90, and codes for 10 % off with limits.
    pub(super) async fn create(admin: &mut Session) -> anyhow::Result<Self> {
        let settings = json!({"requireShipping": false, "country": "US", "pricesIncludeTax": false});
        expect(admin, Request::put("/api/settings", settings), 200).await?;
        let rates = json!({"rates": [{"country": "US", "name": "Sales tax", "percentage": 8.875}]});
        expect(admin, Request::put("/api/settings/tax", rates), 200).await?;
        let zone = json!({
            "name": "Home", "places": [{"country": "US"}],
            "methods": [{"title": "Parcel", "rates": [{"price": 4.90}]}],
        });
        let zone = expect(admin, Request::post("/api/shipping-zones", zone), 201).await?;
        let shipping_method = zone["methods"][0]["id"].as_i64().context("the zone has no method")?;
        let mut codes = Vec::new();
        for limit in LIMITS {
            let code = format!("LIMIT-{limit}");
            expect(admin, Request::post("/api/discounts", discount(&code, limit)), 201).await?;
            codes.push(code);
        }
        Ok(Self { shipping_method, codes })
    }
}

fn discount(code: &str, limit: u32) -> Value {
    json!({"code": code, "title": "Sale", "class": "order", "percentOff": 10, "usageLimit": limit})
}

/// Gives a product a second variant, and returns the ids of both.
pub(super) async fn create_variants(
    admin: &mut Session,
    product: i64,
    price: &str,
    stock: i32,
) -> anyhow::Result<Vec<i64>> {
    let variants = json!({
        "options": ["Size"],
        "variants": [
            {"id": product, "options": {"Size": "S"}, "price": price, "stock": stock},
            {"options": {"Size": "M"}, "price": price, "stock": stock, "weight": 250},
        ],
    });
    let path = format!("/api/products/{product}/variants");
    let changed = expect(admin, Request::put(path, variants), 200).await?;
    let variants = changed["variants"].as_array().context("the product has no variants")?;
    let ids: Vec<_> = variants.iter().filter_map(|variant| variant["id"].as_i64()).collect();
    ensure!(ids.len() == 2 && ids.contains(&product), "two variants: {variants:?}");
    Ok(ids)
}

async fn expect(admin: &mut Session, request: Request, status: u16) -> anyhow::Result<Value> {
    let response = admin.send(&request).await.with_context(|| format!("no response to {request:?}"))?;
    ensure!(response.status == status, "{request:?}: {} {}", response.status, response.json);
    Ok(response.json)
}
