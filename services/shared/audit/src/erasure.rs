//! Erasing what the pseudonyms of deleted users stand for. The events, and the chain of their hashes, stay as they are.

use std::time::Duration;

use bodega_proto::identity::v1::{BatchGetDeletedUsersRequest, erasure_service_client::ErasureServiceClient};
use bodega_runtime::{database::Pool, status::parse_uuid, transport::Transport, worker::Worker};
use sqlx::{AssertSqlSafe, PgConnection};
use tonic::Status;
use tracing::info;
use uuid::Uuid;

use crate::{
    AuditLog,
    event::{Actor, Event, Subject},
};

/// Maximum number of users in a call to identity.
const BATCH_SIZE: i64 = 1_000;

const WORKER: Worker = Worker {
    name: "audit erasure",
    interval: Duration::from_secs(60 * 60),
    idle_interval: Duration::from_secs(60 * 60),
    concurrency: 1,
    timeout: Duration::from_secs(30),
};

/// Erases the users that identity has deleted until the future is dropped.
pub(crate) async fn erase_deleted_users(log: AuditLog, db: Pool, identity: Transport) {
    WORKER.repeat(async || log.erase_deleted_users(&db, &identity).await.map(|()| false)).await;
}

impl AuditLog {
    /// Erases the user whose deletion `event` records, in the transaction of that event.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase(self, transaction: &mut PgConnection, user_id: Uuid, event: Uuid) -> sqlx::Result<()> {
        let sql = format!("select {}.erase_audit_pseudonyms($1, $2)", self.schema);
        sqlx::query(AssertSqlSafe(sql)).bind(user_id).bind(event).execute(transaction).await?;
        Ok(())
    }

    /// Erases the users that identity has deleted.
    ///
    /// # Errors
    /// When the database or identity fails.
    pub async fn erase_deleted_users(self, db: &Pool, identity: &Transport) -> Result<(), Status> {
        let mut after = Uuid::nil();
        loop {
            let users = self.users_after(db, after).await.map_err(|error| database_error(&error))?;
            let Some(last) = users.last() else { return Ok(()) };
            after = *last;
            let request =
                BatchGetDeletedUsersRequest { user_ids: users.iter().map(Uuid::to_string).collect() };
            let mut identity = ErasureServiceClient::new(identity.clone());
            for id in identity.batch_get_deleted_users(request).await?.into_inner().user_ids {
                let id = parse_uuid("user_ids", &id)?;
                self.erase_deleted(db, id).await.map_err(|error| database_error(&error))?;
                info!(audit.schema = self.schema, user.id = %id, "erased a deleted user in the audit log");
            }
        }
    }

    /// Returns users that events refer to, in the order of their ids.
    async fn users_after(self, db: &Pool, after: Uuid) -> sqlx::Result<Vec<Uuid>> {
        let sql = format!(
            "select distinct user_id from {}.audit_pseudonyms where user_id > $1 order by user_id limit $2",
            self.schema
        );
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(after).bind(BATCH_SIZE).fetch_all(db).await
    }

    async fn erase_deleted(self, db: &Pool, user_id: Uuid) -> sqlx::Result<()> {
        let mut transaction = db.begin().await?;
        let event = Event::new("user.erased", Actor::System).on(Subject::user(user_id));
        let event_id = event.id();
        self.record(&mut transaction, event).await?;
        self.erase(&mut transaction, user_id, event_id).await?;
        transaction.commit().await
    }
}

fn database_error(error: &sqlx::Error) -> Status {
    Status::internal(error.to_string())
}
