//! Ended sessions and API keys by the transactions that ended them.

use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

/// A snapshot of the database: the sessions that ended in it are known.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    /// A `pg_snapshot`.
    snapshot: String,
    last_transaction: i64,
    /// Differs after a failover: the transactions of another server have the same numbers.
    server_started: OffsetDateTime,
}

impl Position {
    /// Returns whether this position was read after an earlier one on the same server.
    pub(crate) fn is_on_same_server(&self, earlier: &Self) -> bool {
        self.server_started == earlier.server_started && self.last_transaction >= earlier.last_transaction
    }
}

/// Returns the current position.
pub(crate) async fn position(db: impl PgExecutor<'_>) -> sqlx::Result<Position> {
    sqlx::query_as!(
        Position,
        r#"select pg_current_snapshot()::text as "snapshot!",
                  pg_snapshot_xmax(pg_current_snapshot())::text::bigint as "last_transaction!",
                  pg_postmaster_start_time() as "server_started!""#
    )
    .fetch_one(db)
    .await
}

/// Returns the sessions and API keys that ended after a position, and the new position.
///
/// The bounds of the transactions allow an index scan.
pub(crate) async fn ended_since(
    db: impl PgExecutor<'_>,
    position: &Position,
) -> sqlx::Result<(Position, Vec<Uuid>)> {
    let row = sqlx::query!(
        r#"select pg_current_snapshot()::text as "snapshot!",
                  pg_snapshot_xmax(pg_current_snapshot())::text::bigint as "last_transaction!",
                  pg_postmaster_start_time() as "server_started!",
                  array(
                      select id from identity.sessions
                      where ended_in >= pg_snapshot_xmin($1::text::pg_snapshot)
                        and ended_in < pg_snapshot_xmax(pg_current_snapshot())
                        and not pg_visible_in_snapshot(ended_in, $1::text::pg_snapshot)
                      union all
                      select id from identity.api_keys
                      where ended_in >= pg_snapshot_xmin($1::text::pg_snapshot)
                        and ended_in < pg_snapshot_xmax(pg_current_snapshot())
                        and not pg_visible_in_snapshot(ended_in, $1::text::pg_snapshot)
                  ) as "ended!""#,
        position.snapshot,
    )
    .fetch_one(db)
    .await?;
    let position = Position {
        snapshot: row.snapshot,
        last_transaction: row.last_transaction,
        server_started: row.server_started,
    };
    Ok((position, row.ended))
}
