//! What is known: payment intents, their charges and refunds, and how they change.

mod card;
mod charge;
mod check;
mod intent;
mod pay;
mod refund;
mod table;

use std::collections::BTreeMap;

use serde_json::Value;

use self::table::Table;
pub use self::{
    card::Card,
    charge::{Charge, ChargeStatus},
    intent::{Intent, IntentStatus},
    refund::{Refund, RefundStatus},
};
pub(crate) use self::{intent::NewIntent, refund::NewRefund, table::Page};

/// What a client keeps with an object.
pub(crate) type Metadata = BTreeMap<String, String>;

/// How something that was left open ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money moves.
    Succeeds,
    /// It does not.
    Fails,
}

/// All there is, in the order it was made.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) intents: Table<Intent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    /// The status of refunds to come.
    pub(crate) refund_status: RefundStatus,
    changes: Vec<Change>,
}

/// Something an event tells of.
pub(crate) struct Change {
    pub(crate) kind: &'static str,
    /// The object right after it changed.
    pub(crate) object: Value,
    /// What it had been before, as far as it is another thing now.
    pub(crate) previous: Option<Value>,
}

impl Ledger {
    /// What has changed since this was asked for last.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The object with this id, as the API shows it.
    pub(crate) fn object(&self, id: &str) -> Option<Value> {
        let intent = self.intents.get(id).map(Intent::json);
        let charge = || self.charges.get(id).map(Charge::json);
        let refund = || self.refunds.get(id).map(Refund::json);
        intent.or_else(charge).or_else(refund)
    }

    fn intent_changed(&mut self, at: usize, kind: &'static str) {
        let object = self.intents[at].json();
        self.changes.push(Change { kind, object, previous: None });
    }

    fn charge_changed(&mut self, at: usize, kind: &'static str) {
        let object = self.charges[at].json();
        self.changes.push(Change { kind, object, previous: None });
    }

    fn refund_changed(&mut self, at: usize, kind: &'static str, previous: Option<Value>) {
        let object = self.refunds[at].json();
        self.changes.push(Change { kind, object, previous });
    }
}
