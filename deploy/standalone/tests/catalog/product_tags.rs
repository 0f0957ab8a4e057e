//! Products and their tags.

use serde_json::json;

use crate::harness::{responses::pluck, store::TestStore};

async fn tags(store: &TestStore) -> Vec<i64> {
    let mut ids = Vec::new();
    for name in ["blue", "green", "red"] {
        ids.push(
            store.admin().post("/api/tags", json!({"tag_name": name})).await.expect(201).json["id"]
                .as_i64()
                .unwrap(),
        );
    }
    ids
}

/// The relation is a row with an integer id and two foreign keys.
#[tokio::test]
async fn product_tags_have_ids_and_foreign_keys() {
    let store = TestStore::start().await;
    let tags = tags(&store).await;
    let body = json!({"product_name": "Mug", "price": 1, "stock": 1, "tagIds": tags});
    let mug = store.admin().post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let rows: Vec<(i32, i32, i32)> =
        sqlx::query_as("select id, product_id, tag_id from catalog.product_tags order by id")
            .fetch_all(&store.sql().await)
            .await
            .unwrap();
    let pairs: Vec<_> = rows.iter().map(|(_, product, tag)| (i64::from(*product), i64::from(*tag))).collect();
    assert_eq!(pairs, tags.iter().map(|tag| (mug, *tag)).collect::<Vec<_>>());
    assert!(rows.iter().is_sorted_by(|a, b| a.0 < b.0));

    let types: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, data_type::text from information_schema.columns
         where table_schema = 'catalog' and column_name = 'id' and is_identity = 'YES'
           and table_name in ('categories', 'products', 'tags', 'product_tags') order by 1",
    )
    .fetch_all(&store.sql().await)
    .await
    .unwrap();
    let tables = ["categories", "product_tags", "products", "tags"];
    assert_eq!(types, tables.map(|table| (table.to_owned(), "integer".to_owned())));
    let insert = "insert into catalog.product_tags (product_id, tag_id) values ($1, $2)";
    for (product, tag, constraint) in [
        (999, tags[0], "product_tags_product_id_fkey"),
        (mug, 999, "product_tags_tag_id_fkey"),
        (mug, tags[0], "a_product_has_a_tag_once"),
    ] {
        let rejected =
            sqlx::query(insert).bind(product).bind(tag).execute(&store.sql().await).await.unwrap_err();
        assert_eq!(rejected.as_database_error().unwrap().constraint(), Some(constraint));
    }
}

#[tokio::test]
async fn replaces_all_tags_and_lists_products_by_tag() {
    let store = TestStore::start().await;
    let tags = tags(&store).await;
    let admin = store.admin();
    let body = json!({"name": "Mug", "price": 1, "stock": 1, "tag_ids": [tags[2], tags[0], tags[0]]});
    let mug = admin.post("/api/products", body).await.expect(201).json;
    assert_eq!(pluck(mug["tags"].as_array().unwrap(), "name"), ["blue", "red"], "by name, each once");
    let path = format!("/api/products/{}", mug["id"]);
    let patched = admin.patch(&path, json!({"tagIds": [tags[1]]})).await.expect(200).json;
    assert_eq!(patched["tags"], json!([{"id": tags[1], "name": "green"}]));
    assert_eq!(admin.patch(&path, json!({"price": 2})).await.expect(200).json["tags"], patched["tags"]);
    let counts = store.guest().get("/api/tags").await.expect(200);
    assert_eq!(pluck(counts.items(), "productCount"), [0, 1, 0]);
    let of_green =
        store.guest().get(&format!("/api/tags/{}?include=products", tags[1])).await.expect(200).json;
    assert_eq!(of_green["products"][0]["id"], mug["id"]);
    assert_eq!(admin.patch(&path, json!({"tagIds": []})).await.expect(200).json["tags"], json!([]));
    admin.patch(&path, json!({"tagIds": [tags[0], 999]})).await.expect_field_error(422, "tagIds");
    assert_eq!(admin.get(&path).await.expect(200).json["tags"], json!([]));
}
