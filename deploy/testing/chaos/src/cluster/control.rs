//! Operations that break and restore the processes of a cluster.

use anyhow::bail;

use super::{Cluster, Database, Role, START_TIMEOUT, node::Node};

impl Cluster {
    /// Kills a process with SIGKILL, Postgres by an immediate shutdown, and waits for its exit. Does nothing if it is down.
    pub(crate) async fn kill(&self, role: Role) -> anyhow::Result<()> {
        match (self.node(role), &self.database) {
            (Some(node), _) => node.kill().await,
            (None, Database::Separate(postgres)) => postgres.kill().await,
            (None, Database::Embedded { postmaster, .. }) => postmaster.kill().await,
        }
    }

    /// Starts a killed process without waiting until it is ready. Postgres has recovered on return. A standalone store
    /// restarts its Postgres by itself, which this waits for.
    ///
    /// # Errors
    /// It is not down, or cannot be started.
    pub(crate) async fn restart(&self, role: Role) -> anyhow::Result<()> {
        match (self.node(role), &self.database) {
            (Some(node), Database::Separate(_)) => node.start(),
            (None, Database::Separate(postgres)) => postgres.restart().await,
            (node, Database::Embedded { postmaster, .. }) => {
                node.map_or(Ok(()), Node::start)?;
                postmaster.wait_until_started().await
            }
        }
    }

    /// Stops a process, or all processes of Postgres, with SIGSTOP.
    ///
    /// # Errors
    /// It is down.
    pub(crate) fn pause(&self, role: Role) -> anyhow::Result<()> {
        self.node(role).map_or_else(|| self.postmaster().pause(), Node::pause)
    }

    /// Continues a paused process with SIGCONT.
    ///
    /// # Errors
    /// It is down.
    pub(crate) fn resume(&self, role: Role) -> anyhow::Result<()> {
        self.node(role).map_or_else(|| self.postmaster().resume(), Node::resume)
    }

    /// Replaces a process without a gap: starts a new one, directs new connections to it when it is ready, and sends SIGTERM
    /// to the old one. A standalone store is stopped first, since only one process can use its database.
    ///
    /// # Errors
    /// The new process does not become ready, or the old one does not exit successfully and in time. Postgres cannot be
    /// replaced.
    pub(crate) async fn rolling_restart(&self, role: Role) -> anyhow::Result<()> {
        match (self.node(role), &self.database) {
            (Some(node), Database::Separate(_)) => node.rolling_restart().await,
            (Some(node), Database::Embedded { .. }) => {
                node.terminate().await?;
                node.start()?;
                self.wait_until_ready(START_TIMEOUT).await
            }
            (None, _) => bail!("there is only one Postgres"),
        }
    }
}
