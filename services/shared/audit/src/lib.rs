//! The audit log of a service: what admins, API keys and the command line have changed, and the security of accounts.
//!
//! [`AuditLog::record`] inserts an [`Event`] with one statement, in the transaction of the change. So an event exists if and
//! only if its change was committed. `segments` adds committed events to segments, whose hashes form a chain, `retention`
//! deletes the oldest segments, and `erasure` erases what the pseudonyms of deleted users stand for. [`AuditApi`] lists
//! the events.
//!
//! identity, catalog and order each have the tables in their own schema (`migrations/*_audit.sql`), and the role of each can
//! access no other. Only the schema differs, so the statements are not checked at compile time: the tests of the services
//! run all of them.

#![warn(missing_docs)]

mod erasure;
mod event;
mod list;
mod retention;
mod segments;

use bodega_runtime::{database::Pool, server::Service, transport::Transport};

pub use self::{
    event::{Actor, Event, Subject},
    list::AuditApi,
    retention::{AuditArgs, Retention},
};

/// The audit log in one schema.
#[derive(Clone, Copy, Debug)]
pub struct AuditLog {
    schema: &'static str,
}

impl AuditLog {
    /// The tables `<schema>.audit_*`.
    pub const fn new(schema: &'static str) -> Self {
        Self { schema }
    }

    /// Starts the workers that need settings or another service: the retention, and the erasure of users that identity has
    /// deleted. Identity itself erases in the transaction that deletes the user, and here what was recorded meanwhile.
    pub fn maintain(self, service: &Service, db: &Pool, args: AuditArgs, identity: Transport) {
        if let Some(retention) = args.audit_retention.duration() {
            service.spawn(retention::delete_expired(self, db.clone(), retention));
        }
        service.spawn(erasure::erase_deleted_users(self, db.clone(), identity));
    }
}
