//! Database failures: unresponsive servers, transaction conflicts and incompatible schemas.

mod conflicts;
mod migrations;
mod proxy;
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
