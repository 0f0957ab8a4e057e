//! The connection pool, and database failures: unresponsive servers, transaction conflicts and incompatible schemas.

mod acquiring;
mod conflicts;
mod dropped_callers;
mod lost_connections;
mod migrations;
mod proxy;
mod read_only;
mod round_trips;
mod unresponsive;

use bodega_embedded_postgres::testing::{TestDatabase, database};

async fn empty_database() -> TestDatabase {
    database("runtime", async |url: String| {
        let db = sqlx::PgPool::connect(&url).await?;
        sqlx::raw_sql("create table public.counters (id int primary key, count int not null)")
            .execute(&db)
            .await?;
        db.close().await;
        Ok(())
    })
    .await
}
