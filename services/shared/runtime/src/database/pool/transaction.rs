//! A transaction on a connection of the pool.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use sqlx::{Executor as _, PgConnection};

use super::connection::{Connection, State};

/// A transaction. It is rolled back unless it is committed.
pub struct Transaction(Connection);

impl Transaction {
    pub(super) async fn begin(mut connection: Connection, statements: &'static str) -> sqlx::Result<Self> {
        connection.set_state(State::InTransaction);
        connection.execute(statements).await?;
        Ok(Self(connection))
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// When the commit fails. After a lost connection it is unknown whether the transaction was committed.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        self.end("commit").await
    }

    /// Rolls the transaction back, and waits for it. If it is just dropped, it is rolled back in the background.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn rollback(mut self) -> sqlx::Result<()> {
        self.end("rollback").await
    }

    async fn end(&mut self, statement: &'static str) -> sqlx::Result<()> {
        self.0.execute(statement).await?;
        self.0.set_state(State::Clean);
        Ok(())
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
