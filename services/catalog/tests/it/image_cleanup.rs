//! The storage has the images of all products and, after the cleanup, no others.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use bodega_proto::catalog::v1::{DeleteProductRequest, UpdateProductRequest};
use bodega_runtime::database::Transaction;
use proptest::{collection::vec, option, prelude::*, test_runner::Config};
use sqlx::PgConnection;
use tokio::runtime::Runtime;
use tonic::{Code, Status};

use crate::{
    image_fixtures::{files_of, png, pngs, urls, wait_until},
    test_app::{TestApp, rejection, update_request},
};

/// Drops `call` after this number of polls.
async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut remaining = polls;
    poll_fn(|context| {
        if remaining == 0 {
            return Poll::Ready(None);
        }
        remaining -= 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

/// Locks a product, as every update does.
async fn lock(app: &TestApp, id: i32) -> Transaction {
    let mut transaction = app.db.begin().await.unwrap();
    let db: &mut PgConnection = &mut transaction;
    sqlx::query("select from catalog.products where id = $1 for update").bind(id).execute(db).await.unwrap();
    transaction
}

impl TestApp {
    /// Checks that the storage has the images of all products, and no others.
    async fn assert_only_used_images(&self) {
        assert_eq!(self.files(), self.referenced_files().await);
        let rows = "select count(*) from catalog.stored_images";
        let used = "select count(*) from catalog.product_images where stored_image_key is not null";
        assert_eq!(self.number(rows).await, self.number(used).await);
    }
}

#[tokio::test]
async fn a_dropped_upload_adds_all_of_its_images_or_none() {
    let app = TestApp::start().await;
    let images = [png(8, 1), png(8, 2)];
    for polls in 0.. {
        let id = app.create_with_stock(1).await;
        let result = dropped_after(polls, app.add_images(id, &images)).await;
        // A commit that was sent may still succeed.
        let image_count = async || app.get(id).await.unwrap().images.len();
        wait_until("all or none are added", async || [0, 2].contains(&image_count().await)).await;
        if let Some(result) = result {
            assert_eq!(result.unwrap(), app.get(id).await.unwrap());
            break;
        }
    }
    let unused = "select count(*) from catalog.stored_images where delete_after > now()";
    assert!(app.number(unused).await > 0, "no call was dropped after it had inserted a row");
    app.wait_for_background_writes().await;
    app.expire_unused_images().await;
    app.wait_for_cleanup().await;
    app.assert_only_used_images().await;
}

/// A change of a product's images.
#[derive(Clone, Debug)]
enum Action {
    Add(u8),
    Remove(usize),
    SetFirst(Option<usize>),
    Archive,
}

/// An action, its product, whether the crashing replica executes it, and the number of polls until its call is dropped.
type Step = (Action, usize, bool, Option<usize>);

fn step() -> impl Strategy<Value = Step> {
    let action = prop_oneof![
        4 => (1..=3_u8).prop_map(Action::Add),
        2 => (0..4_usize).prop_map(Action::Remove),
        2 => option::of(0..3_usize).prop_map(Action::SetFirst),
        1 => Just(Action::Archive),
    ];
    (action, 0..2_usize, any::<bool>(), option::weighted(0.5, 0..40_usize))
}

async fn act(app: Arc<TestApp>, id: i32, action: Action) -> Result<(), Status> {
    let product = app.batch_get(&[id]).await.remove(0);
    match action {
        Action::Add(count) => drop(app.add_images(id, &pngs(count)).await?),
        Action::Remove(position) => {
            let image = product.images.get(position).map_or(0, |image| image.id);
            app.remove_image(id, image).await?;
        }
        Action::SetFirst(position) => {
            let urls = urls(&product);
            let url = position.map(|position| urls.get(position).copied().unwrap_or("/elsewhere.png"));
            let image_url = Some(url.unwrap_or_default().to_owned());
            app.update(UpdateProductRequest { image_url, ..update_request(id) }).await?;
        }
        Action::Archive => {
            let request = DeleteProductRequest { id, expected_version: None };
            app.admin().delete_product(request).await?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 5, max_shrink_iters: 20, failure_persistence: None, ..Config::default() })]

    #[test]
    fn concurrent_calls_and_crashes_leave_no_unused_images(
        steps in vec(step(), 4..16),
        time_to_live in 0..100_u64,
    ) {
        let (runtime, crashing_runtime) = (Runtime::new().unwrap(), Runtime::new().unwrap());
        let app = Arc::new(runtime.block_on(TestApp::start()));
        let crashing = Arc::new(crashing_runtime.block_on(app.replica()));
        let ids = runtime.block_on(async { [app.create_with_stock(1).await, app.create_with_stock(1).await] });
        let mut calls = Vec::new();
        for (action, product, is_crashing, polls) in steps {
            let (runtime, replica) =
                if is_crashing { (&crashing_runtime, &crashing) } else { (&runtime, &app) };
            let call = act(replica.clone(), ids[product], action);
            let task = runtime.spawn(dropped_after(polls.unwrap_or(usize::MAX), call));
            if !is_crashing {
                calls.push(task);
            }
        }
        std::thread::sleep(Duration::from_millis(time_to_live));
        drop(crashing);
        // Aborts its calls, and waits for writes that are running on blocking threads.
        crashing_runtime.shutdown_timeout(Duration::from_secs(20));
        runtime.block_on(async {
            for call in calls {
                // A call may fail: the images it leaves are checked below.
                let _ = call.await.unwrap();
            }
            app.wait_for_background_writes().await;
            app.expire_unused_images().await;
            app.wait_for_cleanup().await;
            app.assert_only_used_images().await;
        });
    }
}

#[tokio::test]
async fn a_concurrent_archive_rejects_an_upload() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let transaction = lock(&app, id).await;
    let adding = async {
        wait_until("the archive waits", async || app.blocked_statements().await == 1).await;
        app.add_images(id, &pngs(2)).await
    };
    let unlocking = async {
        wait_until("the upload waits", async || app.blocked_statements().await == 2).await;
        assert_eq!(app.files().len(), 4, "the images are stored");
        transaction.commit().await.unwrap();
    };
    let ((), added, ()) = tokio::join!(app.archive(id), adding, unlocking);
    assert_eq!(rejection(added), (Code::NotFound, "product_not_found".to_owned()));
    assert!(app.batch_get(&[id]).await[0].images.is_empty());
    // Immediately, not after the retention.
    wait_until("the images are deleted", async || app.files().is_empty()).await;
}

#[tokio::test]
async fn rejects_images_whose_deletion_has_begun() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let mut transaction = lock(&app, id).await;
    let too_late = async {
        wait_until("the upload waits", async || app.blocked_statements().await == 1).await;
        // As while the object of the first image is being deleted.
        sqlx::query(
            "update catalog.stored_images set attempts = 1 where key = (select min(key) from catalog.stored_images)",
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
    };
    let images = pngs(3);
    let (result, ()) = tokio::join!(app.add_images(id, &images), too_late);
    assert_eq!(rejection(result), (Code::Unavailable, "timeout".to_owned()));
    assert!(app.get(id).await.unwrap().images.is_empty());
    app.expire_unused_images().await;
    app.wait_for_cleanup().await;
    app.assert_only_used_images().await;
}

#[tokio::test]
async fn replicas_clean_up_concurrently_without_blocking() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    for _ in 0..2 {
        app.add_images(id, &pngs(10)).await.unwrap();
    }
    let _replicas = [app.replica().await, app.replica().await];
    // As while another process deletes this image.
    let mut transaction = app.db.begin().await.unwrap();
    let locked_key: String = sqlx::query_scalar("select key from catalog.stored_images limit 1 for update")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let others = sqlx::query(
        "update catalog.product_images set stored_image_key = null, thumbnail_url = null, url = '/x'",
    );
    others.execute(&app.db).await.unwrap();
    sqlx::query("update catalog.stored_images set delete_after = now() where key <> $1")
        .bind(&locked_key)
        .execute(&app.db)
        .await
        .unwrap();
    sqlx::query("update catalog.stored_images set delete_after = now() where key = $1")
        .bind(&locked_key)
        .execute(&mut *transaction)
        .await
        .unwrap();
    wait_until("the other images are deleted", async || app.files().len() == 2).await;
    assert!(app.files().contains(&locked_key));
    transaction.commit().await.unwrap();
    wait_until("all images are deleted", async || app.files().is_empty()).await;
    wait_until("all rows are deleted", async || {
        app.number("select count(*) from catalog.stored_images").await == 0
    })
    .await;
}

#[tokio::test]
async fn retries_failed_deletions_without_blocking_others() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    sqlx::query(
        "insert into catalog.stored_images (key, storage, delete_after)
         select 'no key ' || i, 'local', now() - interval '1 minute' from generate_series(1, 20) i",
    )
    .execute(&app.db)
    .await
    .unwrap();
    let product = app.add_images(id, &pngs(2)).await.unwrap();
    app.remove_image(id, product.images[0].id).await.unwrap();
    wait_until("the other image is deleted", async || app.files().len() == 2).await;
    let retried = "select count(*) from catalog.stored_images where key like 'no key %' and attempts > 1";
    wait_until("the invalid keys are retried", async || app.number(retried).await == 20).await;
}

#[tokio::test]
async fn retries_the_cleanup_after_a_storage_failure() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let product = app.add_images(id, &pngs(3)).await.unwrap();
    app.break_storage();
    app.remove_image(id, product.images[0].id).await.unwrap();
    assert_eq!(app.get(id).await.unwrap().images, product.images[1..]);
    app.archive(id).await;
    let attempted = "select count(*) from catalog.stored_images where attempts > 0";
    wait_until("all deletions are attempted", async || app.number(attempted).await == 3).await;
    app.repair_storage();
    app.expire_unused_images().await;
    wait_until("all files are deleted", async || app.files().is_empty()).await;
    app.wait_for_cleanup().await;
    app.assert_only_used_images().await;
}

#[tokio::test]
async fn deletes_the_rows_of_missing_objects() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let product = app.add_images(id, &pngs(2)).await.unwrap();
    for file in files_of(&product) {
        std::fs::remove_file(app.storage().join(file)).unwrap();
    }
    app.archive(id).await;
    app.wait_for_cleanup().await;
    app.assert_only_used_images().await;
}
