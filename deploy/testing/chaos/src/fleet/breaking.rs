//! What can be done to the members of a fleet, and undone.

use anyhow::bail;

use super::{Database, Fleet, OPEN_LIMIT, Role, member::Member};

impl Fleet {
    /// Kills a process as `kill -9` does; Postgres by an immediate shutdown. Waits for the end. What is down stays down.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) async fn kill(&self, role: Role) -> anyhow::Result<()> {
        match (self.member(role), &self.database) {
            (Some(member), _) => member.kill().await,
            (None, Database::Own(postgres)) => postgres.kill().await,
            (None, Database::Embedded { postmaster, .. }) => postmaster.kill().await,
        }
    }

    /// Starts what is down. Whether it serves is for [`Fleet::is_ready`] to say; Postgres has recovered by then. A store in
    /// one process starts its Postgres by itself: that is waited for.
    ///
    /// # Errors
    /// When it is not down, or cannot be started.
    pub(crate) async fn restart(&self, role: Role) -> anyhow::Result<()> {
        match (self.member(role), &self.database) {
            (Some(member), Database::Own(_)) => member.start(),
            (None, Database::Own(postgres)) => postgres.restart().await,
            (member, Database::Embedded { postmaster, .. }) => {
                member.map_or(Ok(()), Member::start)?;
                postmaster.is_started().await
            }
        }
    }

    /// Stops a process, or all of Postgres's, at its next instruction.
    ///
    /// # Errors
    /// When it is down.
    pub(crate) async fn pause(&self, role: Role) -> anyhow::Result<()> {
        self.member(role).map_or_else(|| self.postmaster().pause(), Member::pause)
    }

    /// Lets what was paused go on.
    ///
    /// # Errors
    /// When it is down.
    pub(crate) async fn resume(&self, role: Role) -> anyhow::Result<()> {
        self.member(role).map_or_else(|| self.postmaster().resume(), Member::resume)
    }

    /// Replaces a process by another without a gap: the new one gets ready, new connections go to it, and the one before is
    /// asked to leave. A store in one process has a database that only one can use: there the one before leaves first.
    ///
    /// # Errors
    /// When the new one does not get ready within a minute, or the one before does not leave within 15 s, or fails on its
    /// way out. Postgres cannot be rolled.
    pub(crate) async fn roll(&self, role: Role) -> anyhow::Result<()> {
        match (self.member(role), &self.database) {
            (Some(member), Database::Own(_)) => member.roll().await,
            (Some(member), Database::Embedded { .. }) => {
                member.terminate().await?;
                member.start()?;
                self.is_ready(OPEN_LIMIT).await?;
                Ok(())
            }
            (None, _) => bail!("there is one Postgres only"),
        }
    }
}
