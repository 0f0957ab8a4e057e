//! Rate limits, counted in a real database.

use std::{sync::Arc, time::Duration};

use bodega_embedded_postgres::testing::{TestDatabase, database, statements::count_all};
use bodega_runtime::{
    database::{Pool, pool},
    rate_limit::{Error, Limit, RateLimiter, RateLimits},
};
use futures_util::future::join_all;

const LIMIT: Limit = Limit { name: "test", burst: 8, interval: Duration::from_secs(600) };
const OTHER: Limit = Limit { name: "other", burst: 2, interval: Duration::from_secs(60) };

async fn limiter() -> (TestDatabase, Pool, RateLimiter) {
    let database = database("rate-limits", async |url: String| {
        let db = sqlx::PgPool::connect(&url).await?;
        let table =
            "create table public.rate_limits (key bytea primary key, restored_at timestamptz not null)";
        sqlx::raw_sql(table).execute(&db).await?;
        db.close().await;
        Ok(())
    });
    let database = database.await;
    let db = pool(database.url().parse().unwrap(), 8, "test");
    let limiter = replica(&db);
    (database, db, limiter)
}

/// Returns a limiter without the memory of others.
fn replica(db: &Pool) -> RateLimiter {
    RateLimiter::new(db.clone(), "public", RateLimits::On)
}

/// Lets time pass for all subjects.
async fn pass(db: &Pool, time: Duration) {
    sqlx::query("update public.rate_limits set restored_at = restored_at - make_interval(secs => $1)")
        .bind(time.as_secs_f64())
        .execute(db)
        .await
        .unwrap();
}

fn rejection(result: Result<(), Error>) -> (&'static str, u64) {
    match result {
        Err(Error::RateLimited(limited)) => (limited.limit.name, limited.retry_after.as_secs()),
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn allows_a_burst_and_then_one_use_per_interval() {
    let (_database, db, limiter) = limiter().await;
    for _ in 0..LIMIT.burst {
        limiter.take(&[LIMIT.by("a")]).await.unwrap();
    }
    let (_, retry_after) = rejection(limiter.take(&[LIMIT.by("a")]).await);
    assert!((540..=600).contains(&retry_after), "{retry_after}");
    limiter.take(&[LIMIT.by("b")]).await.unwrap();

    pass(&db, LIMIT.interval).await;
    limiter.take(&[LIMIT.by("a")]).await.unwrap();
    rejection(limiter.take(&[LIMIT.by("a")]).await);

    pass(&db, LIMIT.period() * 10).await;
    for _ in 0..LIMIT.burst {
        limiter.take(&[LIMIT.by("a")]).await.unwrap();
    }
    rejection(limiter.take(&[LIMIT.by("a")]).await);
}

#[tokio::test]
async fn takes_all_uses_or_none_and_names_the_exhausted_limit() {
    let (_database, _db, limiter) = limiter().await;
    let both = [LIMIT.by("a"), OTHER.by("a")];
    limiter.take(&both).await.unwrap();
    limiter.take(&both).await.unwrap();
    for _ in 0..20 {
        assert_eq!(rejection(limiter.take(&both).await).0, "other");
    }
    for _ in 2..LIMIT.burst {
        limiter.take(&[LIMIT.by("a")]).await.unwrap();
    }
    assert_eq!(rejection(limiter.take(&both).await).0, "test", "the longer wait");
}

#[tokio::test]
async fn restored_uses_can_be_taken_again() {
    let (_database, _db, limiter) = limiter().await;
    let both = [LIMIT.by("a"), OTHER.by("a")];
    for _ in 0..3 * LIMIT.burst {
        limiter.take(&both).await.unwrap();
        limiter.restore(&both).await.unwrap();
    }
    for _ in 0..OTHER.burst {
        limiter.take(&both).await.unwrap();
    }
    assert_eq!(rejection(limiter.take(&both).await).0, "other");
}

#[tokio::test]
async fn concurrent_calls_of_two_replicas_do_not_exceed_the_limit() {
    let (_database, db, limiter) = limiter().await;
    let other = replica(&db);
    let calls = (0..100).map(async |index| {
        let limiter = if index % 2 == 0 { &limiter } else { &other };
        // In opposite orders, which must not deadlock.
        let mut uses = [LIMIT.by("a"), LIMIT.by("b")];
        if index % 3 == 0 {
            uses.reverse();
        }
        match limiter.take(&uses).await {
            Ok(()) => 1,
            Err(Error::RateLimited(_)) => 0,
            Err(Error::Database(error)) => panic!("{error}"),
        }
    });
    assert_eq!(join_all(calls).await.into_iter().sum::<u32>(), LIMIT.burst);
}

#[tokio::test]
async fn calls_that_wait_for_each_other_do_not_exceed_the_limit() {
    const CALLS: i64 = 4;
    let (_database, db, limiter) = limiter().await;
    for _ in 1..LIMIT.burst {
        limiter.take(&[LIMIT.by("a")]).await.unwrap();
    }
    let mut lock = db.begin().await.unwrap();
    sqlx::query("select from public.rate_limits for update").execute(&mut *lock).await.unwrap();
    let calls = join_all((0..CALLS).map(async |_| limiter.take(&[LIMIT.by("a")]).await));
    let release = async {
        let sql = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let mut waiting = 0;
        for _ in 0..500 {
            waiting = sqlx::query_scalar(sql).fetch_one(&db).await.unwrap();
            if waiting == CALLS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(waiting, CALLS, "all have read the same state");
        lock.commit().await.unwrap();
    };
    let (results, ()) = tokio::join!(calls, release);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_subject_far_below_its_limit_costs_no_statement() {
    let (_database, db, limiter) = limiter().await;
    let limiter = Arc::new(limiter);
    let take = || limiter.take_cheaply(LIMIT.by("a"));
    let ((), counts) = count_all(async {
        for _ in 0..LIMIT.burst / 4 {
            take().await.unwrap();
        }
    })
    .await;
    assert_eq!(counts.statements, 0);
    for _ in LIMIT.burst / 4..LIMIT.burst {
        take().await.unwrap();
    }
    rejection(take().await);
    let (rejected, counts) = count_all(take()).await;
    let (limit, retry_after) = rejection(rejected);
    assert_eq!((limit, counts.statements), ("test", 0), "a rejection is remembered");
    assert!((1..=800).contains(&retry_after), "{retry_after}");

    let other = replica(&db);
    for _ in 0..LIMIT.burst / 4 {
        other.take_cheaply(LIMIT.by("a")).await.unwrap();
    }
    rejection(other.take_cheaply(LIMIT.by("a")).await);
}

#[tokio::test]
async fn deletes_rows_that_limit_nothing() {
    let (_database, db, limiter) = limiter().await;
    limiter.take(&[LIMIT.by("old")]).await.unwrap();
    pass(&db, LIMIT.interval).await;
    limiter.take(&[LIMIT.by("new")]).await.unwrap();
    let count = async || {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from public.rate_limits");
        count.fetch_one(&db).await.unwrap()
    };
    assert_eq!(count().await, 2);
    let cleanup = tokio::spawn(limiter.clean_up());
    let started = std::time::Instant::now();
    while count().await > 1 {
        assert!(started.elapsed() < Duration::from_secs(30), "the row is not deleted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 1..LIMIT.burst {
        replica(&db).take(&[LIMIT.by("new")]).await.unwrap();
    }
    rejection(replica(&db).take(&[LIMIT.by("new")]).await);
    cleanup.abort();
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let (_database, db, _) = limiter().await;
    let off = RateLimiter::new(db.clone(), "public", RateLimits::Off);
    let ((), counts) = count_all(async {
        for _ in 0..3 * LIMIT.burst {
            off.take(&[LIMIT.by("a")]).await.unwrap();
            off.take_cheaply(LIMIT.by("a")).await.unwrap();
            off.restore(&[LIMIT.by("a")]).await.unwrap();
        }
    })
    .await;
    assert_eq!(counts.statements, 0);
}
