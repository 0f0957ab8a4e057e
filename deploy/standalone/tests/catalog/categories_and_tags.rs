//! Categories and tags, which have the same behaviour.

use serde_json::{Value, json};

use crate::harness::{
    responses::{CATEGORY_OR_TAG, LISTED_PRODUCT, assert_fields, pluck},
    store::TestStore,
};

/// Categories or tags.
struct Resource {
    path: &'static str,
    /// The other accepted name of the field `name`.
    alias: &'static str,
    not_found: &'static str,
    exists: &'static str,
}

const RESOURCES: [Resource; 2] = [
    Resource {
        path: "/api/categories",
        alias: "category_name",
        not_found: "category_not_found",
        exists: "category_exists",
    },
    Resource { path: "/api/tags", alias: "tag_name", not_found: "tag_not_found", exists: "tag_exists" },
];

impl Resource {
    /// Creates a category or tag; returns its id.
    async fn create(&self, store: &TestStore, name: &str) -> i64 {
        let created = store.admin().post(self.path, json!({ self.alias: name })).await.expect(201);
        created.json["id"].as_i64().unwrap()
    }

    /// Creates a product in this category, or with this tag.
    async fn create_product(&self, store: &TestStore, id: i64, name: &str) -> i64 {
        let mut body = json!({"name": name, "price": 1, "stock": 1});
        match self.path {
            "/api/tags" => body["tagIds"] = json!([id]),
            _ => body["categoryId"] = json!(id),
        }
        store.admin().post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap()
    }
}

/// Ids are ascending integers; both field names are accepted.
#[tokio::test]
async fn creates_reads_updates_and_deletes_categories_and_tags() {
    let store = TestStore::start().await;
    let (admin, guest) = (store.admin(), store.guest());
    for resource in &RESOURCES {
        let created = admin.post(resource.path, json!({ resource.alias: " Kitchen " })).await.expect(201);
        assert_fields(&created.json, CATEGORY_OR_TAG);
        let id = created.json["id"].as_i64().unwrap();
        assert_eq!(created.json, json!({"id": id, "name": "Kitchen", "productCount": 0}));
        let path = format!("{}/{id}", resource.path);
        assert_eq!(created.header("location"), path);
        let next = admin.post(resource.path, json!({"name": "Garden"})).await.expect(201).json;
        assert!(next["id"].as_i64().unwrap() > id);

        assert_eq!(guest.get(&path).await.expect(200).json, created.json);
        let renamed = admin.put(&path, json!({ resource.alias: "Küche" })).await.expect(200).json;
        assert_eq!(renamed, json!({"id": id, "name": "Küche", "productCount": 0}));
        let renamed = admin.patch(&path, json!({"name": "Cuisine"})).await.expect(200).json;
        assert_eq!(renamed["name"], "Cuisine");
        assert_eq!(
            guest.get(resource.path).await.expect(200).json,
            json!({"items": [renamed, next], "nextCursor": null})
        );

        assert_eq!(admin.delete(&path).await.expect(204).text, "");
        guest.get(&path).await.expect_problem(404, resource.not_found);
        admin.put(&path, json!({"name": "x"})).await.expect_problem(404, resource.not_found);
        admin.patch(&path, json!({"name": "x"})).await.expect_problem(404, resource.not_found);
        admin.delete(&path).await.expect_problem(404, resource.not_found);
        assert_eq!(
            guest.get(resource.path).await.expect(200).json,
            json!({"items": [next], "nextCursor": null})
        );
    }
}

/// Names are unique regardless of case and surrounding space.
#[tokio::test]
async fn names_are_unique_regardless_of_case() {
    let store = TestStore::start().await;
    for resource in &RESOURCES {
        let kitchen = resource.create(&store, "Kitchen").await;
        let garden = resource.create(&store, "Garden").await;
        for name in ["Kitchen", "kITCHEN", "  kitchen "] {
            store
                .admin()
                .post(resource.path, json!({"name": name}))
                .await
                .expect_problem(409, resource.exists);
            let path = format!("{}/{garden}", resource.path);
            store.admin().put(&path, json!({"name": name})).await.expect_problem(409, resource.exists);
        }
        let path = format!("{}/{kitchen}", resource.path);
        store.admin().put(&path, json!({"name": "KITCHEN"})).await.expect(200);
        for name in ["", " ", "a\nb", "a\0", &"x".repeat(101)] {
            store.admin().post(resource.path, json!({"name": name})).await.expect_field_error(422, "name");
            store.admin().patch(&path, json!({"name": name})).await.expect_field_error(422, "name");
        }
        store.admin().post(resource.path, json!({"name": "é".repeat(100)})).await.expect(201);
    }
}

/// `productCount` counts the products that are not deleted.
#[tokio::test]
async fn counts_and_lists_products() {
    let store = TestStore::start().await;
    for resource in &RESOURCES {
        let (used, unused) = (resource.create(&store, "used").await, resource.create(&store, "unused").await);
        let (mug, pot) = (
            resource.create_product(&store, used, "Mug").await,
            resource.create_product(&store, used, "Pot").await,
        );
        store.admin().create_product("of neither", "1", 1).await;

        let all = store.guest().get(resource.path).await.expect(200);
        assert_eq!(pluck(all.items(), "productCount"), [2, 0]);
        let path = format!("{}/{used}", resource.path);
        assert_fields(&store.guest().get(&path).await.expect(200).json, CATEGORY_OR_TAG);
        let shown = store.guest().get(&format!("{path}?include=products")).await.expect(200).json;
        assert_fields(&shown, &format!("{CATEGORY_OR_TAG} products"));
        let products = shown["products"].as_array().unwrap();
        assert_eq!(pluck(products, "id"), [pot, mug], "newest first");
        products.iter().for_each(|product| assert_fields(product, LISTED_PRODUCT));
        let bare = store.guest().get(&format!("{}/{unused}?include=products", resource.path)).await;
        assert_eq!(bare.expect(200).json["products"], json!([]));

        let renamed = store.admin().put(&path, json!({"name": "renamed"})).await.expect(200).json;
        assert_eq!(renamed["productCount"], 2, "the count includes all products");
        store.admin().delete(&format!("/api/products/{mug}")).await.expect(204);
        let shown = store.guest().get(&format!("{path}?include=products")).await.expect(200).json;
        assert_eq!((&shown["productCount"], shown["products"].as_array().unwrap().len()), (&json!(1), 1));
        store.guest().get(&format!("{path}?include=tags")).await.expect_field_error(400, "include");
        store.guest().get(&format!("{path}?includes=products")).await.expect_field_error(400, "includes");
        let missing = format!("{}/999?include=products", resource.path);
        store.guest().get(&missing).await.expect_problem(404, resource.not_found);
    }
}

/// Products are detached, not deleted.
#[tokio::test]
async fn deleting_detaches_products() {
    let store = TestStore::start().await;
    for resource in &RESOURCES {
        let id = resource.create(&store, "deleted").await;
        let mug = resource.create_product(&store, id, "Mug").await;
        let path = format!("/api/products/{mug}");
        let before = store.guest().get(&path).await.expect(200);
        store.admin().delete(&format!("{}/{id}", resource.path)).await.expect(204);
        let after = store.guest().get(&path).await.expect(200);
        assert_eq!((&after.json["category"], &after.json["tags"]), (&Value::Null, &json!([])));
        assert_ne!(after.header("etag"), before.header("etag"), "a visible change");
        assert_eq!(after.json["stock"], before.json["stock"]);
    }
    store.verify().await;
}

/// A product shows the current name of its category or tag.
#[tokio::test]
async fn products_show_the_new_name_after_a_rename() {
    let store = TestStore::start().await;
    for resource in &RESOURCES {
        let id = resource.create(&store, "before").await;
        let path = format!("/api/products/{}", resource.create_product(&store, id, "Mug").await);
        let before = store.guest().get(&path).await.expect(200).header("etag").to_owned();
        store.admin().put(&format!("{}/{id}", resource.path), json!({"name": "after"})).await.expect(200);
        let after = store.guest().get(&path).await.expect(200);
        assert!(after.text.contains(&format!(r#"{{"id":{id},"name":"after"}}"#)), "{after:?}");
        assert_ne!(after.header("etag"), before);
    }
}

/// Rows that are added later do not change the order of the pages.
#[tokio::test]
async fn lists_pages_by_id() {
    let store = TestStore::start().await;
    for resource in &RESOURCES {
        for index in 0..5 {
            resource.create(&store, &format!("name {}", 9 - index)).await;
        }
        let page = store.guest().get(&format!("{}?limit=2", resource.path)).await.expect(200);
        assert_fields(&page.json, "items nextCursor");
        resource.create(&store, "one more").await;
        let pages = store.guest().all_pages(&format!("{}?limit=2", resource.path)).await;
        let all = store.guest().get(resource.path).await.expect(200);
        assert_fields(&all.json, "items nextCursor");
        assert_eq!((pages.len(), &pages[..]), (6, all.items()));
        let ids: Vec<_> = all.items().iter().map(|item| item["id"].as_i64()).collect();
        assert!(ids.is_sorted());
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("cursor=x", "cursor"),
            ("q=a", "q"),
        ] {
            store.guest().get(&format!("{}?{query}", resource.path)).await.expect_field_error(400, field);
        }
    }
}
