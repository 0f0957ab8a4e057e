//! Connection poolers in transaction mode, such as pgbouncer: they pass on no settings of a session.

use anyhow::{Context as _, bail};
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};

use crate::timeouts;

/// Without the first, a statement could run forever; without the second, a transaction of a lost client could hold its locks.
const BOUNDS: &str = "select current_user::text,
    (select setting::bigint from pg_settings where name = 'statement_timeout'),
    (select setting::bigint from pg_settings where name = 'idle_in_transaction_session_timeout')";

/// Checks that the role limits the time of statements and transactions, because sessions behind a pooler cannot set it.
///
/// # Errors
/// When a limit is missing or too long. The error names the variable and the fix.
pub async fn check_role(options: &PgConnectOptions) -> anyhow::Result<()> {
    let mut db = PgConnection::connect_with(options).await.context("cannot connect to the pooler")?;
    // A raw query, because a pooler may be unable to prepare statements.
    let row = sqlx::raw_sql(BOUNDS).fetch_one(&mut db).await?;
    db.close().await?;
    let role: String = row.try_get(0)?;
    let (statement, transaction): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    let longest = i64::try_from(timeouts::DATABASE_STATEMENT.as_millis())?;
    if (1..=longest).contains(&statement) && transaction > 0 {
        return Ok(());
    }
    bail!(
        "BODEGA_DB_POOLER is true, but role {role} has statement_timeout {statement} ms and \
         idle_in_transaction_session_timeout {transaction} ms: run `bodega migrate` with the passwords of the services' roles, \
         or `alter role {role} set statement_timeout = '{longest}ms'` and `set idle_in_transaction_session_timeout = '5s'`, \
         then reconnect the pooler"
    )
}
