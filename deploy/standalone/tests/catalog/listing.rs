//! The product list: filters, search, sort orders and pages.

use serde_json::{Value, json};

use crate::harness::{
    responses::{LISTED_PRODUCT, assert_fields},
    store::TestStore,
};

/// Name, description, price, stock, category and tags of a product.
type Product = (&'static str, &'static str, &'static str, u32, &'static str, &'static [&'static str]);

/// The products, in the order of their creation.
const PRODUCTS: [Product; 6] = [
    ("Blue Mug", "Holds tea.", "12.50", 5, "Kitchen", &["blue", "ceramic"]),
    ("Red Mug", "Holds coffee.", "12.50", 0, "Kitchen", &["red", "ceramic"]),
    ("Teapot", "Fills a mug.", "39.99", 2, "Kitchen", &["ceramic"]),
    ("Lamp", "Bright.", "80", 1, "Home & Garden", &["blue"]),
    ("apron", "For tea drinkers.", "9.99", 30, "Kitchen", &[]),
    ("Gift card", "", "0", 0, "", &[]),
];

/// A store with [`PRODUCTS`].
struct Catalog {
    store: TestStore,
    category_ids: Vec<(&'static str, i64)>,
    tag_ids: Vec<(&'static str, i64)>,
    ids: Vec<i64>,
}

impl Catalog {
    async fn create() -> Self {
        let store = TestStore::start().await;
        let mut catalog = Self { store, category_ids: Vec::new(), tag_ids: Vec::new(), ids: Vec::new() };
        for name in ["Kitchen", "Home & Garden"] {
            let id = catalog.post("/api/categories", json!({"name": name})).await;
            catalog.category_ids.push((name, id));
        }
        for name in ["blue", "red", "ceramic"] {
            let id = catalog.post("/api/tags", json!({"name": name})).await;
            catalog.tag_ids.push((name, id));
        }
        for (name, description, price, stock, category, tags) in PRODUCTS {
            let category = catalog.category_ids.iter().find(|(name, _)| *name == category).map(|(_, id)| id);
            let tags: Vec<_> =
                catalog.tag_ids.iter().filter(|(name, _)| tags.contains(name)).map(|(_, id)| id).collect();
            let body = json!({"name": name, "description": description, "price": price, "stock": stock, "categoryId": category, "tagIds": tags});
            let id = catalog.post("/api/products", body).await;
            catalog.ids.push(id);
        }
        catalog
    }

    async fn post(&self, path: &str, body: Value) -> i64 {
        self.store.admin().post(path, body).await.expect(201).json["id"].as_i64().unwrap()
    }

    /// The names of the products that a query returns, in order.
    async fn find(&self, query: &str) -> Vec<String> {
        let found = self.store.guest().get(&format!("/api/products?{query}")).await.expect(200);
        found.items().iter().map(|product| product["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn lists_complete_products_newest_first() {
    let catalog = Catalog::create().await;
    let all = catalog.store.guest().get("/api/products").await.expect(200);
    assert_fields(&all.json, "items nextCursor");
    assert_eq!(all.json["nextCursor"], json!(null));
    all.items().iter().for_each(|product| assert_fields(product, LISTED_PRODUCT));
    let newest = catalog.find("").await;
    assert_eq!(newest, ["Gift card", "apron", "Lamp", "Teapot", "Red Mug", "Blue Mug"]);
    let one = format!("/api/products/{}", catalog.ids[0]);
    let with_variants = catalog.store.guest().get("/api/products?include=variants").await.expect(200);
    assert_eq!(with_variants.items()[5], catalog.store.guest().get(&one).await.expect(200).json);
}

#[tokio::test]
async fn combines_filters_with_and() {
    let catalog = Catalog::create().await;
    let [kitchen, garden] = catalog.category_ids[..] else { panic!() };
    let [blue, _, ceramic] = catalog.tag_ids[..] else { panic!() };
    let ids = &catalog.ids;
    for (query, expected) in [
        (format!("category={}", garden.1), vec!["Lamp"]),
        ("category=kitCHEN".to_owned(), vec!["apron", "Teapot", "Red Mug", "Blue Mug"]),
        ("category=Home+%26+Garden".to_owned(), vec!["Lamp"]),
        (
            format!("category={}&category=home%20%26%20garden", kitchen.1),
            vec!["apron", "Lamp", "Teapot", "Red Mug", "Blue Mug"],
        ),
        ("category=none".to_owned(), vec![]),
        ("category=999".to_owned(), vec![]),
        (format!("tag={}", blue.1), vec!["Lamp", "Blue Mug"]),
        (format!("tag=BLUE&tag={}", ceramic.1), vec!["Blue Mug"]),
        ("tag=none".to_owned(), vec![]),
        ("minPrice=12.50".to_owned(), vec!["Lamp", "Teapot", "Red Mug", "Blue Mug"]),
        ("minPrice=12.51".to_owned(), vec!["Lamp", "Teapot"]),
        ("maxPrice=9.99".to_owned(), vec!["Gift card", "apron"]),
        ("minPrice=9.99&maxPrice=12.5".to_owned(), vec!["apron", "Red Mug", "Blue Mug"]),
        ("inStock=true".to_owned(), vec!["apron", "Lamp", "Teapot", "Blue Mug"]),
        ("inStock=false".to_owned(), vec!["Gift card", "Red Mug"]),
        (format!("ids={},{},999", ids[0], ids[5]), vec!["Gift card", "Blue Mug"]),
        (format!("ids={}&ids={}", ids[2], ids[3]), vec!["Lamp", "Teapot"]),
        ("q=lamp".to_owned(), vec!["Lamp"]),
        ("q=nothing-like-it".to_owned(), vec![]),
        ("q=%3F%21".to_owned(), vec![]),
        ("tag=ceramic&maxPrice=20&inStock=true&category=kitchen&q=mug".to_owned(), vec!["Blue Mug"]),
    ] {
        assert_eq!(catalog.find(&query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn searches_names_and_descriptions_by_relevance() {
    let catalog = Catalog::create().await;
    let found = catalog.find("q=mug").await;
    assert_eq!(found.last().unwrap(), "Teapot", "a description counts for less: {found:?}");
    assert_eq!(found.len(), 3);
    assert_eq!(catalog.find("q=MUG%20blue").await, ["Blue Mug"], "every word");
    assert_eq!(catalog.find("q=teap").await, ["Teapot"], "a prefix");
    for query in ["%00", "'", "\"", "%25", "&", "%7C%21%28", "%5C", "%F0%9F%8D%B5", "a:*b", "---"] {
        catalog.store.guest().get(&format!("/api/products?q={query}")).await.expect(200);
    }
}

#[tokio::test]
async fn pages_through_every_sort_order() {
    let catalog = Catalog::create().await;
    let cheapest = ["Gift card", "apron", "Blue Mug", "Red Mug", "Teapot", "Lamp"];
    let by_name = ["apron", "Blue Mug", "Gift card", "Lamp", "Red Mug", "Teapot"];
    let newest = ["Gift card", "apron", "Lamp", "Teapot", "Red Mug", "Blue Mug"];
    let backwards = |names: [&'static str; 6]| names.into_iter().rev().collect::<Vec<_>>();
    for (sort, expected) in [
        ("newest", newest.to_vec()),
        ("oldest", backwards(newest)),
        ("price", cheapest.to_vec()),
        ("-price", backwards(cheapest)),
        ("name", by_name.to_vec()),
        ("-name", backwards(by_name)),
        ("relevance", newest.to_vec()),
    ] {
        assert_eq!(catalog.find(&format!("sort={sort}")).await, expected, "{sort}");
        for limit in [1, 2, 4, 6, 100] {
            let pages =
                catalog.store.guest().all_pages(&format!("/api/products?sort={sort}&limit={limit}")).await;
            let names: Vec<_> = pages.iter().map(|product| product["name"].as_str().unwrap()).collect();
            assert_eq!(names, expected, "{sort}, {limit} a page");
        }
    }
    let found = catalog.find("q=tea").await;
    let pages = catalog.store.guest().all_pages("/api/products?q=tea&limit=1").await;
    assert!(found.len() > 1);
    assert_eq!(pages.iter().map(|product| product["name"].as_str().unwrap()).collect::<Vec<_>>(), found);
}

/// Cursors are stable while rows are added, deleted, or changed in fields that are not sorted by.
#[tokio::test]
async fn cursors_are_stable_under_changes() {
    for sort in ["newest", "price", "name"] {
        let catalog = Catalog::create().await;
        let admin = catalog.store.admin();
        let all = catalog.find(&format!("sort={sort}")).await;
        let path = format!("/api/products?sort={sort}&limit=2");
        let first = admin.get(&path).await.expect(200).json;
        admin.create_product("0", "0", 1).await; // sorts before the rest of the list
        admin.delete(&format!("/api/products/{}", first["items"][1]["id"])).await.expect(204);
        let second =
            admin.get(&format!("{path}&cursor={}", first["nextCursor"].as_str().unwrap())).await.expect(200);
        let names: Vec<_> = second.items().iter().map(|product| product["name"].as_str().unwrap()).collect();
        assert_eq!(names, all[2..4], "{sort}");
    }
}

#[tokio::test]
async fn rejects_invalid_query_parameters() {
    let catalog = Catalog::create().await;
    let by_price = catalog.store.guest().get("/api/products?sort=price&limit=1").await.expect(200).json;
    let by_price = by_price["nextCursor"].as_str().unwrap();
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=bnVsbA", "cursor"),
        (&format!("cursor={by_price}"), "cursor"),
        (&format!("sort=-price&cursor={by_price}"), "cursor"),
        (&format!("sort=name&cursor={by_price}"), "cursor"),
        ("sort=cheapest", "sort"),
        ("sort=", "sort"),
        ("minPrice=abc", "minPrice"),
        ("minPrice=-1", "minPrice"),
        ("maxPrice=1.999", "maxPrice"),
        ("inStock=perhaps", "inStock"),
        ("ids=1,x", "ids"),
        ("ids=99999999999", "ids"),
        ("category=", "category"),
        ("tag=", "tag"),
        ("page=2", "page"),
        ("min_price=2", "min_price"),
        ("%00=2", "\0"),
    ] {
        catalog.store.guest().get(&format!("/api/products?{query}")).await.expect_field_error(400, field);
    }
    let long = "x".repeat(201);
    let many = vec!["1"; 201].join(",");
    for (query, field) in [
        (format!("q={long}"), "q"),
        (format!("ids={many}"), "ids"),
        (format!("category={long}"), "category"),
        (format!("tag={long}"), "tag"),
        (["category=1"; 51].join("&"), "category"),
        (["tag=1"; 51].join("&"), "tag"),
        ("minPrice=2&maxPrice=1".to_owned(), "minPrice"),
    ] {
        catalog.store.guest().get(&format!("/api/products?{query}")).await.expect_field_error(400, field);
    }
}
