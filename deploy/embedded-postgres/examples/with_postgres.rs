//! Runs a command with a throwaway server: `with_postgres COMMAND [ARG ...] <schema.sql`.
//!
//! The SQL on standard input is executed first; `DATABASE_URL` is set for the command.

use std::{env, io::Read as _, process::Command};

use anyhow::{Context as _, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let program = arguments.next().context("usage: with_postgres COMMAND [ARG ...] <schema.sql")?;
    let mut sql = String::new();
    std::io::stdin().read_to_string(&mut sql)?;

    let database = bodega_embedded_postgres::testing::database("with_postgres", async |url: String| {
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    })
    .await;
    let status = Command::new(program).args(arguments).env("DATABASE_URL", database.url()).status()?;
    if !status.success() {
        bail!("the command failed: {status}");
    }
    Ok(())
}
