//! Callers that are dropped, as calls are at their deadline, do not affect other callers of the pool.

use std::{cell::Cell, collections::HashMap, future::poll_fn, pin::pin, task::Poll, time::Duration};

use bodega_runtime::database::{Pool, pool};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::time::timeout;

use super::{empty_database, unresponsive::drop_after};

const ROUNDS: i32 = 1_000;

/// How far a dropped transaction has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    #[default]
    Begun,
    /// The commit may have reached the server.
    Committing,
    Committed,
}

/// Inserts two rows in a transaction.
async fn insert_two(db: &Pool, round: i32, progress: &Cell<Progress>) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    // Every third statement is new to its connection, which takes more round trips.
    let comment = if round % 3 == 0 { round } else { 0 };
    for count in 0..2 {
        let sql = format!("insert into public.counters (id, count) values ($1, $2) /* {comment} */");
        let insert = sqlx::query(AssertSqlSafe(sql)).bind(2 * round + count).bind(count);
        insert.execute(&mut *transaction).await?;
    }
    progress.set(Progress::Committing);
    transaction.commit().await?;
    progress.set(Progress::Committed);
    Ok(())
}

/// Asserts that a caller of the pool sees exactly what an independent session sees, and that its write is committed.
async fn assert_unaffected(db: &Pool, control: &mut PgConnection, round: i32) {
    // Not prepared: within a transaction of its own, a statement begins when the transaction does.
    let seen = "select count(*), now() = statement_timestamp() from public.counters where id >= 0";
    let own = sqlx::raw_sql(seen).fetch_one(db).await.unwrap();
    assert!(own.get::<bool, _>(1), "round {round}: within the transaction of another caller");
    let (own, others) =
        (own.get::<i64, _>(0), sqlx::raw_sql(seen).fetch_one(&mut *control).await.unwrap().get::<i64, _>(0));
    assert!(own <= others, "round {round}: sees uncommitted rows");

    let id = -round - 1;
    sqlx::query("insert into public.counters (id, count) values ($1, 0)").bind(id).execute(db).await.unwrap();
    let is_committed =
        sqlx::query_scalar::<_, bool>("select exists (select from public.counters where id = $1)").bind(id);
    assert!(is_committed.fetch_one(control).await.unwrap(), "round {round}: a write is not committed");
}

#[tokio::test]
async fn a_transaction_dropped_at_any_await_leaves_no_trace() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 2, "test");
    let mut control = PgConnection::connect(&database.url()).await.unwrap();
    let mut outcomes = HashMap::new();
    let mut polls = 0;
    for round in 0..ROUNDS {
        polls += 1;
        let progress = Cell::default();
        let is_done = drop_after(polls, insert_two(&db, round, &progress)).await;
        outcomes.insert(round, progress.get());
        if is_done {
            polls = 0;
        }
        assert_unaffected(&db, &mut control, round).await;
    }
    db.close().await;

    let rows: Vec<i32> = sqlx::query_scalar("select id from public.counters where id >= 0")
        .fetch_all(&mut control)
        .await
        .unwrap();
    for (round, progress) in &outcomes {
        let found = rows.iter().filter(|id| *id / 2 == *round).count();
        let is_allowed = match progress {
            Progress::Begun => found == 0,
            Progress::Committing => found == 0 || found == 2,
            Progress::Committed => found == 2,
        };
        assert!(is_allowed, "round {round}: {progress:?}, but {found} rows");
    }
    for progress in [Progress::Begun, Progress::Committing, Progress::Committed] {
        assert!(outcomes.values().any(|outcome| *outcome == progress), "no round was {progress:?}");
    }
}

#[tokio::test]
async fn a_statement_dropped_at_any_await_gives_its_rows_to_no_other_caller() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 1, "test");
    let mut polls = 0;
    for round in 0..ROUNDS {
        polls += 1;
        let sql = format!("select $1::int from generate_series(1, 100) /* {} */", round % 150);
        let rows = sqlx::query_scalar::<_, i32>(AssertSqlSafe(sql)).bind(round).fetch_all(&db);
        if drop_after(polls, rows).await {
            polls = 0;
        }
        let own: Vec<i32> = sqlx::query_scalar("select $1::int").bind(-round).fetch_all(&db).await.unwrap();
        assert_eq!(own, [-round], "round {round}");
    }
}

#[tokio::test]
async fn a_caller_dropped_while_it_waits_takes_no_connection() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 1, "test");
    for polls in 1..50 {
        let held = db.acquire().await.unwrap();
        let waiting = db.acquire();
        let mut waiting = pin!(waiting);
        let is_pending = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending);
        drop(held);
        if polls % 2 == 0 {
            // The permit is the waiting caller's already.
            tokio::task::yield_now().await;
        }
    }
    timeout(Duration::from_secs(1), db.acquire()).await.unwrap().unwrap();
}
