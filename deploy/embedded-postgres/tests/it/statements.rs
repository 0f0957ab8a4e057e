//! Counting statements per request.

use bodega_embedded_postgres::testing::{self, statements::count};
use sqlx::{Connection as _, PgConnection};
use tracing::{Instrument as _, info_span};

#[tokio::test]
async fn counts_the_statements_of_the_outermost_request() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let ((), none) = count(async {}).await;
    let ((), three) = count(async {
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("select 1").execute(&mut *transaction).await.unwrap();
        let nested = async { sqlx::query("select 2").execute(&mut *transaction).await.unwrap() };
        nested.instrument(info_span!("request", request.id = "inner")).await;
        sqlx::query("select 3").execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    })
    .await;
    assert_eq!((none, three), (0, 3));
}
