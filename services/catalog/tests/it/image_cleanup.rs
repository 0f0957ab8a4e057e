//! Whatever happens: the storage has what products show, and after a while nothing else.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use bodega_proto::catalog::v1::{DeleteProductRequest, UpdateProductRequest};
use proptest::{collection::vec, option, prelude::*, test_runner::Config};
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::{runtime::Runtime, time::sleep};
use tonic::{Code, Status};

use crate::{
    image_fixtures::{files_of, png, pngs, until, urls},
    test_catalog::{Shop, changes, refusal},
};

/// Polls `call` so often at most, then drops it wherever it is.
async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

/// Locks a product, as any change of it does.
async fn lock(shop: &Shop, id: i32) -> Transaction<'static, Postgres> {
    let mut transaction = shop.db.begin().await.unwrap();
    let db: &mut PgConnection = &mut transaction;
    sqlx::query("select from catalog.products where id = $1 for update").bind(id).execute(db).await.unwrap();
    transaction
}

impl Shop {
    /// Checks that nothing is kept but what is shown, and that all of that is.
    async fn assert_tidy(&self) {
        assert_eq!(self.files(), self.shown().await);
        let rows = "select count(*) from catalog.stored_images";
        let shown = "select count(*) from catalog.product_images where stored_image_key is not null";
        assert_eq!(self.number(rows).await, self.number(shown).await);
    }
}

#[tokio::test]
async fn wherever_a_call_is_dropped_all_of_its_pictures_are_shown_or_none() {
    let shop = Shop::open().await;
    let pictures = [png(8, 1), png(8, 2)];
    for polls in 0.. {
        let id = shop.stocked(1).await;
        let answer = dropped_after(polls, shop.add_images(id, &pictures)).await;
        // A commit that was on its way may still be made.
        let shown = async || shop.get(id).await.unwrap().images.len();
        until("all or none", async || [0, 2].contains(&shown().await)).await;
        if let Some(answer) = answer {
            assert_eq!(answer.unwrap(), shop.get(id).await.unwrap());
            break;
        }
    }
    let kept = "select count(*) from catalog.stored_images where delete_after > now()";
    assert!(shop.number(kept).await > 0, "some were dropped after a row was written");
    // What was being written when its call was dropped is written to the end.
    sleep(Duration::from_millis(300)).await;
    shop.an_hour_later().await;
    shop.swept().await;
    shop.assert_tidy().await;
}

/// What somebody does to one of the products.
#[derive(Clone, Debug)]
enum Deed {
    Add(u8),
    Remove(usize),
    SetFirst(Option<usize>),
    Archive,
}

/// A deed, the product it is done to, the replica that does it, and after how many polls its caller goes away.
type Step = (Deed, usize, bool, Option<usize>);

fn step() -> impl Strategy<Value = Step> {
    let deed = prop_oneof![
        4 => (1..=3_u8).prop_map(Deed::Add),
        2 => (0..4_usize).prop_map(Deed::Remove),
        2 => option::of(0..3_usize).prop_map(Deed::SetFirst),
        1 => Just(Deed::Archive),
    ];
    (deed, 0..2_usize, any::<bool>(), option::weighted(0.5, 0..40_usize))
}

async fn act(shop: Arc<Shop>, id: i32, deed: Deed) -> Result<(), Status> {
    let product = shop.batch(&[id]).await.remove(0);
    match deed {
        Deed::Add(count) => drop(shop.add_images(id, &pngs(count)).await?),
        Deed::Remove(position) => {
            let image = product.images.get(position).map_or(0, |image| image.id);
            shop.remove_image(id, image).await?;
        }
        Deed::SetFirst(position) => {
            let urls = urls(&product);
            let url = position.map(|position| urls.get(position).copied().unwrap_or("/elsewhere.png"));
            let image_url = Some(url.unwrap_or_default().to_owned());
            shop.update(UpdateProductRequest { image_url, ..changes(id) }).await?;
        }
        Deed::Archive => {
            let request = DeleteProductRequest { id, expected_version: None };
            shop.admin().delete_product(request).await?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 5, max_shrink_iters: 20, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_is_done_at_once_and_whoever_is_killed_nothing_stays_that_is_not_shown(
        steps in vec(step(), 4..16),
        time_to_live in 0..100_u64,
    ) {
        let (survivor, victim) = (Runtime::new().unwrap(), Runtime::new().unwrap());
        let shop = Arc::new(survivor.block_on(Shop::open()));
        let doomed = Arc::new(victim.block_on(shop.replica()));
        let ids = survivor.block_on(async { [shop.stocked(1).await, shop.stocked(1).await] });
        let mut calls = Vec::new();
        for (deed, product, is_doomed, polls) in steps {
            let (runtime, replica) = if is_doomed { (&victim, &doomed) } else { (&survivor, &shop) };
            let call = act(replica.clone(), ids[product], deed);
            let task = runtime.spawn(dropped_after(polls.unwrap_or(usize::MAX), call));
            if !is_doomed {
                calls.push(task);
            }
        }
        std::thread::sleep(Duration::from_millis(time_to_live));
        drop(doomed);
        victim.shutdown_background();
        survivor.block_on(async {
            for call in calls {
                // Refused or not: what they leave is what counts.
                let _ = call.await.unwrap();
            }
            // What was being written by the dead is written to the end.
            sleep(Duration::from_millis(300)).await;
            shop.an_hour_later().await;
            shop.swept().await;
            shop.assert_tidy().await;
        });
    }
}

#[tokio::test]
async fn a_product_that_is_archived_meanwhile_gets_no_picture() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let transaction = lock(&shop, id).await;
    let adding = async {
        until("the archive waits", async || shop.waiting().await == 1).await;
        shop.add_images(id, &pngs(2)).await
    };
    let unlocking = async {
        until("the upload waits", async || shop.waiting().await == 2).await;
        assert_eq!(shop.files().len(), 4, "they are in the storage");
        transaction.commit().await.unwrap();
    };
    let ((), added, ()) = tokio::join!(shop.archive(id), adding, unlocking);
    assert_eq!(refusal(added), (Code::NotFound, "product_not_found".to_owned()));
    assert!(shop.batch(&[id]).await[0].images.is_empty());
    // Without an hour to wait.
    until("they are gone", async || shop.files().is_empty()).await;
}

#[tokio::test]
async fn pictures_that_are_being_swept_are_not_shown() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let mut transaction = lock(&shop, id).await;
    let too_late = async {
        until("the upload waits", async || shop.waiting().await == 1).await;
        // As it is while the object of the first is being deleted.
        sqlx::query(
            "update catalog.stored_images set attempts = 1 where key = (select min(key) from catalog.stored_images)",
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
    };
    let pictures = pngs(3);
    let (answer, ()) = tokio::join!(shop.add_images(id, &pictures), too_late);
    assert_eq!(refusal(answer), (Code::Unavailable, "unavailable".to_owned()));
    assert!(shop.get(id).await.unwrap().images.is_empty());
    shop.an_hour_later().await;
    shop.swept().await;
    shop.assert_tidy().await;
}

#[tokio::test]
async fn replicas_sweep_together_and_none_waits_for_another() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    for _ in 0..2 {
        shop.add_images(id, &pngs(10)).await.unwrap();
    }
    let _replicas = [shop.replica().await, shop.replica().await];
    // As it is while somebody sweeps this one.
    let mut transaction = shop.db.begin().await.unwrap();
    let held: String = sqlx::query_scalar("select key from catalog.stored_images limit 1 for update")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let others = sqlx::query(
        "update catalog.product_images set stored_image_key = null, thumbnail_url = null, url = '/x'",
    );
    others.execute(&shop.db).await.unwrap();
    sqlx::query("update catalog.stored_images set delete_after = now() where key <> $1")
        .bind(&held)
        .execute(&shop.db)
        .await
        .unwrap();
    sqlx::query("update catalog.stored_images set delete_after = now() where key = $1")
        .bind(&held)
        .execute(&mut *transaction)
        .await
        .unwrap();
    until("the others are swept", async || shop.files().len() == 2).await;
    assert!(shop.files().contains(&held));
    transaction.commit().await.unwrap();
    until("all are swept", async || shop.files().is_empty()).await;
    until("all are forgotten", async || shop.number("select count(*) from catalog.stored_images").await == 0)
        .await;
}

#[tokio::test]
async fn what_cannot_be_deleted_now_is_tried_again_and_holds_nothing_up() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    sqlx::query(
        "insert into catalog.stored_images (key, storage, delete_after)
         select 'no key ' || i, 'local', now() - interval '1 minute' from generate_series(1, 20) i",
    )
    .execute(&shop.db)
    .await
    .unwrap();
    let shown = shop.add_images(id, &pngs(2)).await.unwrap();
    shop.remove_image(id, shown.images[0].id).await.unwrap();
    until("what can be deleted is", async || shop.files().len() == 2).await;
    let tried_again = "select count(*) from catalog.stored_images where key like 'no key %' and attempts > 1";
    until("the others are tried again", async || shop.number(tried_again).await == 20).await;
}

#[tokio::test]
async fn a_storage_that_is_down_only_postpones() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let shown = shop.add_images(id, &pngs(3)).await.unwrap();
    shop.break_storage();
    shop.remove_image(id, shown.images[0].id).await.unwrap();
    assert_eq!(shop.get(id).await.unwrap().images, shown.images[1..]);
    shop.archive(id).await;
    let tried = "select count(*) from catalog.stored_images where attempts > 0";
    until("all are tried", async || shop.number(tried).await == 3).await;
    shop.mend_storage();
    shop.an_hour_later().await;
    until("nothing is left", async || shop.files().is_empty()).await;
    shop.swept().await;
    shop.assert_tidy().await;
}

#[tokio::test]
async fn deleting_what_is_gone_already_does_no_harm() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let shown = shop.add_images(id, &pngs(2)).await.unwrap();
    for file in files_of(&shown) {
        std::fs::remove_file(shop.storage().join(file)).unwrap();
    }
    shop.archive(id).await;
    shop.swept().await;
    shop.assert_tidy().await;
}
