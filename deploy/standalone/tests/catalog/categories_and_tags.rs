//! Categories and tags: lines 22, 24, 36 to 47; rows `/api/categories` and `/api/tags` of the contract.

use serde_json::{Value, json};

use crate::harness::{
    responses::{GROUP, PRODUCT, assert_fields, pluck},
    store::Shop,
};

/// Categories or tags: they are alike.
struct Labels {
    /// Their path.
    path: &'static str,
    /// How the seed spells their name.
    spelling: &'static str,
    not_found: &'static str,
    exists: &'static str,
}

const LABELS: [Labels; 2] = [
    Labels {
        path: "/api/categories",
        spelling: "category_name",
        not_found: "category_not_found",
        exists: "category_exists",
    },
    Labels { path: "/api/tags", spelling: "tag_name", not_found: "tag_not_found", exists: "tag_exists" },
];

impl Labels {
    /// A new one's id.
    async fn create(&self, shop: &Shop, name: &str) -> i64 {
        let made = shop.admin().post(self.path, json!({ self.spelling: name })).await.expect(201);
        made.json["id"].as_i64().unwrap()
    }

    /// A new product with this one.
    async fn label(&self, shop: &Shop, id: i64, name: &str) -> i64 {
        let mut body = json!({"name": name, "price": 1, "stock": 1});
        match self.path {
            "/api/tags" => body["tagIds"] = json!([id]),
            _ => body["categoryId"] = json!(id),
        }
        shop.admin().post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap()
    }
}

/// Lines 24, 37, 38, 46, 47: integer ids that count up; both spellings of the name.
#[tokio::test]
async fn labels_are_created_read_updated_and_deleted() {
    let shop = Shop::start().await;
    let (admin, guest) = (shop.admin(), shop.guest());
    for labels in &LABELS {
        let made = admin.post(labels.path, json!({ labels.spelling: " Kitchen " })).await.expect(201);
        assert_fields(&made.json, GROUP);
        let id = made.json["id"].as_i64().unwrap();
        assert_eq!(made.json, json!({"id": id, "name": "Kitchen", "productCount": 0}));
        let path = format!("{}/{id}", labels.path);
        assert_eq!(made.header("location"), path);
        let next = admin.post(labels.path, json!({"name": "Garden"})).await.expect(201).json;
        assert!(next["id"].as_i64().unwrap() > id);

        assert_eq!(guest.get(&path).await.expect(200).json, made.json);
        let renamed = admin.put(&path, json!({ labels.spelling: "Küche" })).await.expect(200).json;
        assert_eq!(renamed, json!({"id": id, "name": "Küche", "productCount": 0}));
        let renamed = admin.patch(&path, json!({"name": "Cuisine"})).await.expect(200).json;
        assert_eq!(renamed["name"], "Cuisine");
        assert_eq!(guest.get(labels.path).await.expect(200).json, json!({"items": [renamed, next]}));

        assert_eq!(admin.delete(&path).await.expect(204).text, "");
        guest.get(&path).await.expect_problem(404, labels.not_found);
        admin.put(&path, json!({"name": "x"})).await.expect_problem(404, labels.not_found);
        admin.patch(&path, json!({"name": "x"})).await.expect_problem(404, labels.not_found);
        admin.delete(&path).await.expect_problem(404, labels.not_found);
        assert_eq!(guest.get(labels.path).await.expect(200).json, json!({"items": [next]}));
    }
}

/// A name is one label's, in any case and with any space around it.
#[tokio::test]
async fn a_name_is_taken_in_any_case() {
    let shop = Shop::start().await;
    for labels in &LABELS {
        let kitchen = labels.create(&shop, "Kitchen").await;
        let garden = labels.create(&shop, "Garden").await;
        for name in ["Kitchen", "kITCHEN", "  kitchen "] {
            shop.admin().post(labels.path, json!({"name": name})).await.expect_problem(409, labels.exists);
            let path = format!("{}/{garden}", labels.path);
            shop.admin().put(&path, json!({"name": name})).await.expect_problem(409, labels.exists);
        }
        let path = format!("{}/{kitchen}", labels.path);
        shop.admin().put(&path, json!({"name": "KITCHEN"})).await.expect(200);
        for name in ["", " ", "a\nb", "a\0", &"x".repeat(101)] {
            shop.admin().post(labels.path, json!({"name": name})).await.expect_refused(422, "name");
            shop.admin().patch(&path, json!({"name": name})).await.expect_refused(422, "name");
        }
        shop.admin().post(labels.path, json!({"name": "é".repeat(100)})).await.expect(201);
    }
}

/// Lines 22, 56, 58: with their products; counts are of what is sold.
#[tokio::test]
async fn a_label_counts_and_shows_its_products() {
    let shop = Shop::start().await;
    for labels in &LABELS {
        let (used, unused) = (labels.create(&shop, "used").await, labels.create(&shop, "unused").await);
        let (mug, pot) = (labels.label(&shop, used, "Mug").await, labels.label(&shop, used, "Pot").await);
        shop.admin().create_product("of neither", "1", 1).await;

        let all = shop.guest().get(labels.path).await.expect(200);
        assert_eq!(pluck(all.items(), "productCount"), [2, 0]);
        let path = format!("{}/{used}", labels.path);
        assert_fields(&shop.guest().get(&path).await.expect(200).json, GROUP);
        let shown = shop.guest().get(&format!("{path}?include=products")).await.expect(200).json;
        assert_fields(&shown, &format!("{GROUP} products"));
        let products = shown["products"].as_array().unwrap();
        assert_eq!(pluck(products, "id"), [pot, mug], "newest first");
        products.iter().for_each(|product| assert_fields(product, PRODUCT));
        let bare = shop.guest().get(&format!("{}/{unused}?include=products", labels.path)).await;
        assert_eq!(bare.expect(200).json["products"], json!([]));

        let renamed = shop.admin().put(&path, json!({"name": "renamed"})).await.expect(200).json;
        assert_eq!(renamed["productCount"], 2, "an answer does not understate it");
        shop.admin().delete(&format!("/api/products/{mug}")).await.expect(204);
        let shown = shop.guest().get(&format!("{path}?include=products")).await.expect(200).json;
        assert_eq!((&shown["productCount"], shown["products"].as_array().unwrap().len()), (&json!(1), 1));
        shop.guest().get(&format!("{path}?include=tags")).await.expect_refused(400, "include");
        shop.guest().get(&format!("{path}?includes=products")).await.expect_refused(400, "includes");
        let missing = format!("{}/999?include=products", labels.path);
        shop.guest().get(&missing).await.expect_problem(404, labels.not_found);
    }
}

/// Contract, "Order states": detached, never cascaded away.
#[tokio::test]
async fn deleting_a_label_leaves_its_products_without_it() {
    let shop = Shop::start().await;
    for labels in &LABELS {
        let id = labels.create(&shop, "doomed").await;
        let mug = labels.label(&shop, id, "Mug").await;
        let path = format!("/api/products/{mug}");
        let before = shop.guest().get(&path).await.expect(200);
        shop.admin().delete(&format!("{}/{id}", labels.path)).await.expect(204);
        let after = shop.guest().get(&path).await.expect(200);
        assert_eq!((&after.json["category"], &after.json["tags"]), (&Value::Null, &json!([])));
        assert_ne!(after.header("etag"), before.header("etag"), "a reader sees another state");
        assert_eq!(after.json["stock"], before.json["stock"]);
    }
    shop.verify().await;
}

/// A product shows its labels by the names they have now.
#[tokio::test]
async fn a_renamed_label_is_seen_at_its_products() {
    let shop = Shop::start().await;
    for labels in &LABELS {
        let id = labels.create(&shop, "before").await;
        let path = format!("/api/products/{}", labels.label(&shop, id, "Mug").await);
        let before = shop.guest().get(&path).await.expect(200).header("etag").to_owned();
        shop.admin().put(&format!("{}/{id}", labels.path), json!({"name": "after"})).await.expect(200);
        let after = shop.guest().get(&path).await.expect(200);
        assert!(after.text.contains(&format!(r#"{{"id":{id},"name":"after"}}"#)), "{after:?}");
        assert_ne!(after.header("etag"), before);
    }
}

/// Contract, "Lists": pages that stay true while rows are added.
#[tokio::test]
async fn labels_come_in_pages_by_id() {
    let shop = Shop::start().await;
    for labels in &LABELS {
        for index in 0..5 {
            labels.create(&shop, &format!("label {}", 9 - index)).await;
        }
        let page = shop.guest().get(&format!("{}?limit=2", labels.path)).await.expect(200);
        assert_fields(&page.json, "items nextCursor");
        labels.create(&shop, "one more").await;
        let pages = shop.guest().all_pages(&format!("{}?limit=2", labels.path)).await;
        let all = shop.guest().get(labels.path).await.expect(200);
        assert_fields(&all.json, "items");
        assert_eq!((pages.len(), &pages[..]), (6, all.items()));
        let ids: Vec<_> = all.items().iter().map(|label| label["id"].as_i64()).collect();
        assert!(ids.is_sorted());
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("cursor=x", "cursor"),
            ("q=a", "q"),
        ] {
            shop.guest().get(&format!("{}?{query}", labels.path)).await.expect_refused(400, field);
        }
    }
}
