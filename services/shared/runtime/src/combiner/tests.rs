use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use super::*;

type Batches = Arc<Mutex<Vec<Vec<u32>>>>;

fn failed() -> sqlx::Error {
    // As an error of a statement: nothing was written.
    sqlx::Error::PoolTimedOut
}

fn lost() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionReset, "connection reset"))
}

/// A combiner whose batches take 10 ms, with the batches that it has run. The key of an item is its last digit.
fn combiner<F>(
    max: usize,
    run: impl Fn(Vec<u32>) -> F + Send + Sync + 'static,
) -> (Combiner<u32, u32, sqlx::Error>, Batches)
where
    F: Future<Output = sqlx::Result<Results<u32, sqlx::Error>>> + Send + 'static,
{
    let batches = Batches::default();
    let ran = batches.clone();
    let combiner = Combiner::new(
        "test",
        max,
        |item| item % 10,
        move |items: Vec<u32>| {
            ran.lock().unwrap().push(items.clone());
            let run = run(items);
            async {
                sleep(Duration::from_millis(10)).await;
                run.await
            }
        },
    );
    (combiner, batches)
}

async fn double(items: Vec<u32>) -> sqlx::Result<Results<u32, sqlx::Error>> {
    Ok(items.into_iter().map(|item| Some(Ok(item * 2))).collect())
}

/// Submits the items at the same time. Returns the results in the order of the items.
async fn submit_all(
    combiner: &Combiner<u32, u32, sqlx::Error>,
    items: impl IntoIterator<Item = u32>,
) -> Vec<sqlx::Result<u32>> {
    futures_util::future::join_all(items.into_iter().map(|item| combiner.submit(item))).await
}

#[tokio::test]
async fn an_item_runs_at_once_and_others_gather_meanwhile() {
    let (combiner, batches) = combiner(3, double);
    assert_eq!(combiner.submit(1).await.unwrap(), 2);
    let results = submit_all(&combiner, 1..=6).await;
    let results: Vec<u32> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, [2, 4, 6, 8, 10, 12]);
    assert_eq!(*batches.lock().unwrap(), [vec![1], vec![1], vec![2, 3, 4], vec![5, 6]]);
}

#[tokio::test]
async fn items_with_the_same_key_are_in_different_batches() {
    let (combiner, batches) = combiner(8, double);
    for result in submit_all(&combiner, [1, 2, 12, 22, 3, 13]).await {
        result.unwrap();
    }
    assert_eq!(*batches.lock().unwrap(), [vec![1], vec![2, 3], vec![12, 13], vec![22]]);
}

#[tokio::test]
async fn the_items_of_a_failed_batch_run_alone_and_each_caller_gets_its_own_result() {
    let (combiner, batches) =
        combiner(
            8,
            async |items: Vec<u32>| {
                if items.contains(&3) { Err(failed()) } else { double(items).await }
            },
        );
    let results = submit_all(&combiner, 1..=4).await;
    let results: Vec<Option<u32>> = results.into_iter().map(Result::ok).collect();
    assert_eq!(results, [Some(2), Some(4), None, Some(8)]);
    assert_eq!(*batches.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![2], vec![3], vec![4]]);
}

#[tokio::test]
async fn items_that_a_batch_left_out_run_alone() {
    let (combiner, batches) = combiner(8, async |items: Vec<u32>| {
        let is_alone = items.len() == 1;
        Ok(items.into_iter().map(|item| (is_alone || item != 3).then_some(Ok(item * 2))).collect())
    });
    let results = submit_all(&combiner, 1..=4).await;
    assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 4, 6, 8]);
    assert_eq!(*batches.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![3]]);
}

#[tokio::test]
async fn a_batch_that_may_be_committed_is_not_repeated() {
    let (combiner, batches) =
        combiner(8, async |items: Vec<u32>| if items.len() > 1 { Err(lost()) } else { double(items).await });
    let results = submit_all(&combiner, 1..=3).await;
    assert_eq!(*results[0].as_ref().unwrap(), 2);
    for result in &results[1..] {
        assert!(matches!(result, Err(sqlx::Error::Io(error)) if error.to_string().contains("reset")));
    }
    assert_eq!(*batches.lock().unwrap(), [vec![1], vec![2, 3]]);
}

#[tokio::test]
async fn callers_that_stop_waiting_do_not_disturb_the_others() {
    let gate = Arc::new(Semaphore::new(0));
    let run_gate = gate.clone();
    let (combiner, batches) = combiner(8, move |items| {
        let gate = run_gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            double(items).await
        }
    });
    let mut callers = JoinSet::new();
    let handles: Vec<_> = (1..=4)
        .map(|item| {
            let combiner = combiner.clone();
            callers.spawn(async move { combiner.submit(item).await.unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    handles[0].abort(); // in flight: completes
    handles[1].abort(); // waits: left out
    gate.add_permits(1);
    let started = std::time::Instant::now();
    while batches.lock().unwrap().len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(10), "no second batch");
        sleep(Duration::from_millis(1)).await;
    }
    handles[2].abort(); // in flight together with the last one
    gate.add_permits(1);
    let mut results = Vec::new();
    while let Some(result) = callers.join_next().await {
        results.extend(result.ok());
    }
    assert_eq!(results, [8]);
    assert_eq!(*batches.lock().unwrap(), [vec![1], vec![3, 4]]);
}

#[tokio::test]
async fn an_item_that_hangs_delays_only_items_with_its_key() {
    let gate = Arc::new(Semaphore::new(0));
    let run_gate = gate.clone();
    let (combiner, _) = combiner(8, move |items| {
        let gate = run_gate.clone();
        async move {
            if items == [1] {
                gate.acquire().await.unwrap().forget();
            }
            double(items).await
        }
    });
    let started = Instant::now();
    let others = async {
        for result in submit_all(&combiner, 2..=5).await {
            result.unwrap();
        }
        assert!(started.elapsed() < MAX_WAIT * 10, "{:?}", started.elapsed());
        let same_key = timeout(MAX_WAIT * 2, combiner.submit(11));
        assert!(same_key.await.is_err(), "{:?}", started.elapsed());
        gate.add_permits(1);
    };
    let (result, ()) = tokio::join!(combiner.submit(1), others);
    assert_eq!(result.unwrap(), 2);
    assert_eq!(combiner.submit(21).await.unwrap(), 42);
}

#[tokio::test]
async fn a_batch_has_the_time_of_its_most_patient_caller() {
    let (combiner, _) = combiner(8, async |items: Vec<u32>| {
        if items == [4] {
            std::future::pending::<()>().await;
        }
        let left = CallContext::current().deadline.unwrap() - Instant::now();
        Ok(items.iter().map(|_| Some(Ok(left.as_millis() as u32))).collect())
    });
    let within = |limit: u64, item| {
        let deadline = Some(Instant::now() + Duration::from_millis(limit));
        CallContext { deadline, ..CallContext::default() }.scope(combiner.submit(item))
    };
    let (first, short, long) = tokio::join!(within(2_000, 1), within(2_000, 2), within(9_000, 3));
    assert!(first.unwrap() <= 2_000);
    let long = long.unwrap();
    assert!(long > 2_000, "{long}");
    assert_eq!(short.unwrap(), long, "in the same batch");

    let error = within(100, 4).await.unwrap_err();
    assert!(error.to_string().contains("does not respond"), "{error}");
}

#[tokio::test]
async fn a_panic_reaches_the_caller_and_the_combiner_continues() {
    let (combiner, _) = combiner(8, async |items: Vec<u32>| {
        assert_ne!(items, [1], "panic");
        double(items).await
    });
    let panicking = tokio::spawn({
        let combiner = combiner.clone();
        async move { combiner.submit(1).await }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(combiner.submit(2).await.unwrap(), 4);
}

#[tokio::test]
async fn runs_each_of_many_items_once_without_a_key_twice_at_a_time() {
    const ITEMS: u32 = 2_000;
    let in_flight = Arc::new(Mutex::new(HashSet::new()));
    let runs = Arc::new(AtomicUsize::new(0));
    let (keys, count) = (in_flight, runs.clone());
    let run = move |items: Vec<u32>| {
        let (keys, count) = (keys.clone(), count.clone());
        async move {
            count.fetch_add(1, Ordering::Relaxed);
            for item in &items {
                assert!(keys.lock().unwrap().insert(item % 50), "key twice");
            }
            sleep(Duration::from_micros(200)).await;
            items.iter().for_each(|item| _ = keys.lock().unwrap().remove(&(item % 50)));
            if items.len() > 1 && items.iter().any(|item| item % 100 == 7) {
                return Err(failed());
            }
            double(items).await
        }
    };
    let combiner = Combiner::<u32, u32, sqlx::Error>::new("test", 32, |item| item % 50, run);
    let mut callers = JoinSet::new();
    for item in 0..ITEMS {
        let combiner = combiner.clone();
        callers.spawn(async move { assert_eq!(combiner.submit(item).await.unwrap(), item * 2) });
    }
    while let Some(result) = callers.join_next().await {
        result.unwrap();
    }
    assert!(runs.load(Ordering::Relaxed) < ITEMS as usize / 2, "{runs:?} runs");
    assert!(combiner.0.queue().keys.is_empty());
}
