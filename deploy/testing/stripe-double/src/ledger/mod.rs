//! The state of the double: payment intents, charges and refunds, and their transitions.

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

/// The metadata that a client stores with an object.
pub(crate) type Metadata = BTreeMap<String, String>;

/// The result of an open payment or refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeds.
    Succeeds,
    /// It fails.
    Fails,
}

/// All objects, in the order of creation.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) intents: Table<Intent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    /// The initial status of new refunds.
    pub(crate) refund_status: RefundStatus,
    changes: Vec<Change>,
}

/// A change that causes an event.
pub(crate) struct Change {
    pub(crate) kind: &'static str,
    /// The object after the change.
    pub(crate) object: Value,
    /// The previous values of the changed properties.
    pub(crate) previous: Option<Value>,
}

impl Ledger {
    /// Returns the changes since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Returns the object with this id as JSON.
    pub(crate) fn object(&self, id: &str) -> Option<Value> {
        let intent = self.intents.get(id).map(Intent::json);
        let charge = || self.charges.get(id).map(Charge::json);
        let refund = || self.refunds.get(id).map(Refund::json);
        intent.or_else(charge).or_else(refund)
    }

    fn intent_changed(&mut self, index: usize, kind: &'static str) {
        let object = self.intents[index].json();
        self.changes.push(Change { kind, object, previous: None });
    }

    fn charge_changed(&mut self, index: usize, kind: &'static str) {
        let object = self.charges[index].json();
        self.changes.push(Change { kind, object, previous: None });
    }

    fn refund_changed(&mut self, index: usize, kind: &'static str, previous: Option<Value>) {
        let object = self.refunds[index].json();
        self.changes.push(Change { kind, object, previous });
    }
}
