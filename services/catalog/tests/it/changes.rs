//! The stream of changes that caches follow.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bodega_proto::catalog::v1::{
    DeleteCategoryRequest, DeleteTagRequest, UpdateCategoryRequest, UpdateProductRequest, UpdateTagRequest,
};
use futures_util::{StreamExt as _, future::join_all};
use uuid::Uuid;

use crate::{
    image_fixtures::pngs,
    test_app::{TestApp, by_id, product, update_request},
    variants::{request, three_sizes, variant},
    watcher::Watcher,
};

/// The time that a write waits for a frozen watcher, with a reserve for a busy machine.
const CONFIRMATION: Duration = Duration::from_millis(100);

fn price(id: i32, price_minor: i64) -> UpdateProductRequest {
    UpdateProductRequest { price_minor: Some(price_minor), ..update_request(id) }
}

#[tokio::test]
async fn a_pong_follows_all_changes_of_every_replica() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let id = app.create_with_stock(10).await;
    let other = app.create_with_stock(10).await;
    let mut watcher = Watcher::start(&replica).await;
    assert!(watcher.ping().await.is_empty());

    let version = app.update(price(id, 700)).await.unwrap().version;
    let received = watcher.ping().await;
    assert_eq!(received.products, HashMap::from([(id, (version, version, 10))]));
    assert!(received.lists_changed && !received.everything_changed);

    app.reserve(Uuid::now_v7(), &[(id, 3), (other, 1)]).await;
    let received = watcher.ping().await;
    assert_eq!(received.products, HashMap::from([(id, (version + 1, version, 7)), (other, (2, 1, 9))]));
    assert!(!received.lists_changed && !received.availability_changed && !received.everything_changed);

    let order = Uuid::now_v7();
    app.reserve(order, &[(id, 7)]).await;
    let received = watcher.ping().await;
    assert_eq!(received.products, HashMap::from([(id, (version + 2, version, 0))]));
    assert!(received.availability_changed && !received.lists_changed);
    app.release(order).await;
    let received = watcher.ping().await;
    assert_eq!(received.products, HashMap::from([(id, (version + 3, version, 7))]));
    assert!(received.availability_changed && !received.lists_changed);

    app.create_with_stock(1).await;
    let received = watcher.ping().await;
    assert!(received.lists_changed && received.products.is_empty());
    app.archive(other).await;
    let received = watcher.ping().await;
    assert!(received.lists_changed && received.products.contains_key(&other));
    assert!(watcher.ping().await.is_empty(), "each change is found once");
}

#[tokio::test]
async fn a_sale_of_a_variant_is_a_change_of_it_and_its_product_and_a_new_name_one_of_all() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let [small, medium, large] = three_sizes(&app).await;
    let mut watcher = Watcher::start(&app).await;
    let mut other = Watcher::start(&replica).await;
    app.reserve(Uuid::now_v7(), &[(medium, 6)]).await;
    let version = app.get(small).await.unwrap().version;
    for received in [watcher.ping().await, other.ping().await] {
        // It has to be read again: the version of the details is that of the product.
        let expected = HashMap::from([(small, (version, version, 5)), (medium, (version, version, 0))]);
        assert_eq!(received.products, expected);
        assert!(received.availability_changed && !received.lists_changed);
    }

    let renamed = UpdateProductRequest { name: Some("Cup".to_owned()), ..update_request(small) };
    let version = app.update(renamed).await.unwrap().version;
    let received = watcher.ping().await;
    let expected = [(small, 5), (medium, 0), (large, 7)].map(|(id, stock)| (id, (version, version, stock)));
    assert_eq!(received.products, HashMap::from(expected));
}

#[tokio::test]
async fn a_change_of_a_product_with_many_variants_is_found_in_time() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    app.put_variants(request(small, &[variant("C", "L", 120, 7)])).await.unwrap();
    sqlx::query(
        "insert into catalog.products (name, description, price_minor, stock, currency, variant_of, archived_at, is_sold)
         select 'Mug', '', 0, 0, 'USD', $1, now(), false from generate_series(1, 4000)",
    )
    .bind(small)
    .execute(&app.db)
    .await
    .unwrap();
    let mut watcher = Watcher::start(&app).await;
    let renamed = UpdateProductRequest { name: Some("Cup".to_owned()), ..update_request(small) };
    let version = app.update(renamed).await.unwrap().version;
    let received = watcher.ping().await;
    // A cart may contain variants that are archived: their name has changed too.
    assert_eq!(received.products.len(), 4003);
    for (id, stock) in [(small, 5), (medium, 6), (large, 7)] {
        assert_eq!(received.products[&id], (version, version, stock));
    }
}

#[tokio::test]
async fn images_tags_and_stock_are_changes_of_a_product() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let id = app.create_with_stock(10).await;
    let tag = app.create_tag("red").await;
    let mut watcher = Watcher::start(&replica).await;
    let mut check = async |what: &str, product: bodega_proto::catalog::v1::Product| {
        let received = watcher.ping().await;
        let expected = HashMap::from([(id, (product.version, product.version, product.stock))]);
        assert_eq!(received.products, expected, "{what}");
        assert!(received.lists_changed && !received.everything_changed, "{what}");
    };
    check("images", app.add_images(id, &pngs(2)).await.unwrap()).await;
    let image = app.get(id).await.unwrap().images[0].id;
    app.remove_image(id, image).await.unwrap();
    check("removed image", app.get(id).await.unwrap()).await;
    let tags = Some(bodega_proto::catalog::v1::TagIds { ids: vec![tag] });
    let tagged = UpdateProductRequest { tag_ids: tags, ..update_request(id) };
    check("tags", app.update(tagged).await.unwrap()).await;
    let stocked = UpdateProductRequest { stock: Some(0), ..update_request(id) };
    check("stock", app.update(stocked).await.unwrap()).await;
}

#[tokio::test]
async fn everything_changes_with_the_name_of_a_category_or_tag() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (category, tag) = (app.create_category("Kitchen").await, app.create_tag("red").await);
    let id = app
        .create(bodega_proto::catalog::v1::CreateProductRequest {
            category: Some(by_id(category)),
            tag_ids: vec![tag],
            ..product("Mug")
        })
        .await
        .id;
    let mut watcher = Watcher::start(&replica).await;
    let mut admin = app.admin();

    admin.update_category(UpdateCategoryRequest { id: category, name: "Home".to_owned() }).await.unwrap();
    assert!(watcher.ping().await.everything_changed, "renamed category");
    admin.update_tag(UpdateTagRequest { id: tag, name: "blue".to_owned() }).await.unwrap();
    assert!(watcher.ping().await.everything_changed, "renamed tag");
    admin.delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    assert!(watcher.ping().await.everything_changed, "deleted category");
    admin.delete_tag(DeleteTagRequest { id: tag }).await.unwrap();
    assert!(watcher.ping().await.everything_changed, "deleted tag");

    // A cached product from before must not be taken for the current one, except for its stock.
    let version = app.get(id).await.unwrap().version;
    app.update(UpdateProductRequest { stock: Some(5), ..update_request(id) }).await.unwrap();
    app.reserve(Uuid::now_v7(), &[(id, 1)]).await;
    assert_eq!(watcher.ping().await.products[&id], (version + 2, version + 1, 4));
}

#[tokio::test]
async fn a_change_is_found_when_later_transactions_commit_first() {
    let app = TestApp::start().await;
    let (first, second) = (app.create_with_stock(10).await, app.create_with_stock(10).await);
    let mut watcher = Watcher::start(&app).await;

    let mut early = app.db.begin().await.unwrap();
    let take = "with taken as (
             update catalog.products set stock = stock - 1, version = version + 1 where id = $1 returning id
         )
         insert into catalog.stock_movements (product_id, delta, reason) select id, -1, 'adjusted' from taken";
    sqlx::query(take).bind(first).execute(&mut *early).await.unwrap();
    app.update(price(second, 5)).await.unwrap();
    let received = watcher.ping().await;
    assert_eq!(received.products.keys().collect::<Vec<_>>(), [&second]);
    for _ in 0..3 {
        app.reserve(Uuid::now_v7(), &[(second, 1)]).await;
        assert_eq!(watcher.ping().await.products.keys().collect::<Vec<_>>(), [&second]);
    }
    early.commit().await.unwrap();
    assert_eq!(watcher.ping().await.products, HashMap::from([(first, (2, 1, 9))]));
    assert!(watcher.ping().await.is_empty());
}

#[tokio::test]
async fn ignores_the_transactions_of_another_server() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(10).await;
    let mut watcher = Watcher::start(&app).await;
    sqlx::query(
        "insert into catalog.changes (changed_in, kind, product_id) values ('99999999999', 'product', $1)",
    )
    .bind(id)
    .execute(&app.db)
    .await
    .unwrap();
    assert!(watcher.ping().await.is_empty(), "a row that was restored from a dump");
}

/// Writers on two replicas, while watchers of both replicas ping all the time.
#[tokio::test]
async fn watchers_of_two_replicas_miss_no_change_of_concurrent_writers() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(app.create_with_stock(1_000).await);
    }
    let (mut watcher, mut other) = (Watcher::start(&app).await, Watcher::start(&replica).await);
    let ids = &ids;
    let write = async |app: &TestApp, writer: usize| {
        for round in 0..12 {
            let (one, two) = (ids[(writer + round) % 8], ids[(writer * 3 + round + 1) % 8]);
            match round % 4 {
                0 => drop(app.update(price(one, 100 + round as i64)).await.unwrap()),
                3 => {
                    let order = Uuid::now_v7();
                    app.reserve(order, &[(one, 2)]).await;
                    app.release(order).await;
                }
                _ => drop(app.reserve(Uuid::now_v7(), &[(one, 1), (two, 1)]).await),
            }
        }
    };
    let writers = async {
        let one = join_all((0..6).map(|writer| write(&app, writer)));
        let two = join_all((0..6).map(|writer| write(&replica, writer)));
        futures_util::join!(one, two);
    };
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let follow = async |watcher: &mut Watcher| {
        let mut known: HashMap<i32, (i64, i64, i32)> = HashMap::new();
        loop {
            let was_done = is_done.load(std::sync::atomic::Ordering::SeqCst);
            for (id, state) in watcher.ping().await.products {
                let known = known.entry(id).or_insert(state);
                *known = state.max(*known);
            }
            if was_done {
                return known;
            }
        }
    };
    let (known, known_by_other, ()) = futures_util::join!(follow(&mut watcher), follow(&mut other), async {
        writers.await;
        is_done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    let rows: Vec<(i32, i64, i64, i32)> =
        sqlx::query_as("select id, version, details_version, stock from catalog.products")
            .fetch_all(&app.db)
            .await
            .unwrap();
    let current: HashMap<_, _> =
        rows.into_iter().map(|(id, version, details, stock)| (id, (version, details, stock))).collect();
    assert_eq!(known, current);
    assert_eq!(known_by_other, current);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_write_waits_until_watchers_have_applied_it() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(10).await;
    let mut watcher = Watcher::start(&app).await;
    let applied = tokio::sync::OnceCell::new();
    let ((), ()) = futures_util::join!(
        async {
            app.update(price(id, 700)).await.unwrap();
            assert!(applied.initialized(), "the write was acknowledged before");
        },
        async {
            let response = watcher.next().await;
            assert_eq!(response.products[0].product_id, id);
            applied.set(()).unwrap();
            watcher.send(0, response.sequence);
        }
    );
}

#[tokio::test]
async fn a_frozen_watcher_delays_a_write_for_a_short_time_only() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(10).await;
    let watcher = Watcher::start(&app).await;
    let started = Instant::now();
    app.update(price(id, 700)).await.unwrap();
    assert!(started.elapsed() >= CONFIRMATION, "{:?}", started.elapsed());
    assert!(started.elapsed() < CONFIRMATION + Duration::from_secs(2), "{:?}", started.elapsed());
    drop(watcher);
    let started = Instant::now();
    app.update(price(id, 800)).await.unwrap();
    app.update(price(id, 900)).await.unwrap();
    assert!(started.elapsed() < 2 * CONFIRMATION + Duration::from_secs(2));
}

#[tokio::test]
async fn the_stream_ends_with_the_requests() {
    let app = TestApp::start().await;
    let Watcher { requests, responses, .. } = Watcher::start(&app).await;
    drop(requests);
    assert_eq!(responses.count().await, 0);
}
