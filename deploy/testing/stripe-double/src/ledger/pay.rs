//! Paying an intent.

use serde_json::{Value, json};

use super::{Card, Charge, ChargeStatus, IntentStatus, Ledger, Outcome};
use crate::error::Error;

const DECLINED: &str = "Your card was declined.";

impl Ledger {
    /// Confirms an intent.
    ///
    /// # Errors
    /// When there is no such intent or payment method, when the status of the intent does not allow it, and when the card is
    /// declined.
    pub(crate) fn confirm_intent(
        &mut self,
        id: &str,
        payment_method: Option<String>,
    ) -> Result<Value, Error> {
        let index = self.intent_index(id)?;
        let intent = &self.intents[index];
        match intent.status {
            IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresAction => {}
            IntentStatus::Succeeded => {
                return Err(intent.unexpected(
                    "You cannot confirm this PaymentIntent because it has already succeeded after being previously \
                     confirmed.",
                ));
            }
            IntentStatus::Processing | IntentStatus::Canceled => {
                return Err(intent.unexpected(&format!(
                    "You cannot confirm this PaymentIntent because it has a status of {}. Only a PaymentIntent with \
                     one of the following statuses may be confirmed: requires_confirmation, requires_action.",
                    intent.status.as_str()
                )));
            }
        }
        let Some(method) = payment_method.or_else(|| intent.payment_method.clone()) else {
            return Err(intent.unexpected(
                "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update \
                 the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with \
                 a payment method or ConfirmationToken.",
            ));
        };
        let Some(card) = Card::of(&method) else {
            return Err(Error::no_such("PaymentMethod", &method, "payment_method"));
        };
        let intent = &mut self.intents[index];
        intent.last_payment_error = None;
        intent.payment_method = Some(method);
        match card {
            Card::Visa => self.charge(index),
            Card::Declined => return Err(self.decline(index, "generic_decline", DECLINED)),
            Card::InsufficientFunds => {
                let message = "Your card has insufficient funds.";
                return Err(self.decline(index, "insufficient_funds", message));
            }
            Card::AuthenticationRequired => {
                self.intents[index].status = IntentStatus::RequiresAction;
                self.intent_changed(index, "payment_intent.requires_action");
            }
            Card::Slow => {
                let charge = self.add_charge(index);
                self.intents[index].status = IntentStatus::Processing;
                self.charge_changed(charge, "charge.pending");
                self.intent_changed(index, "payment_intent.processing");
            }
        }
        Ok(self.intents[index].json())
    }

    /// Completes the authentication or processing of an intent. Returns whether the intent was waiting for one.
    pub(crate) fn settle_intent(&mut self, id: &str, outcome: Outcome) -> bool {
        let Some(index) = self.intents.index_of(id) else { return false };
        let pending = self.intents[index].latest_charge.as_deref().and_then(|id| self.charges.index_of(id));
        match (self.intents[index].status, outcome, pending) {
            (IntentStatus::RequiresAction, Outcome::Succeeds, _) => self.charge(index),
            (IntentStatus::RequiresAction, Outcome::Fails, _) => {
                let error = Error::invalid(
                    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a \
                     new PaymentMethod to attempt to fulfill this PaymentIntent again.",
                );
                self.fail(index, &error.code("payment_intent_authentication_failure"));
            }
            (IntentStatus::Processing, Outcome::Succeeds, Some(charge)) => self.succeed(index, charge),
            (IntentStatus::Processing, Outcome::Fails, Some(charge)) => {
                self.fail_charge(index, charge, "generic_decline", DECLINED);
            }
            _ => return false,
        }
        true
    }

    /// Charges the card successfully.
    fn charge(&mut self, index: usize) {
        let charge = self.add_charge(index);
        self.succeed(index, charge);
    }

    /// Adds a failed charge and returns the error for the response.
    fn decline(&mut self, index: usize, decline_code: &str, message: &str) -> Error {
        let charge = self.add_charge(index);
        self.fail_charge(index, charge, decline_code, message)
            .with("payment_intent", self.intents[index].json())
    }

    /// Adds a pending charge and returns its index.
    fn add_charge(&mut self, index: usize) -> usize {
        let intent = &mut self.intents[index];
        let charge = Charge::new(intent, intent.payment_method.as_deref().unwrap_or_default());
        intent.latest_charge = Some(charge.id.clone());
        let id = charge.id.clone();
        self.charges.add(&id, charge)
    }

    fn succeed(&mut self, index: usize, charge_index: usize) {
        self.charges[charge_index].status = ChargeStatus::Succeeded;
        self.charge_changed(charge_index, "charge.succeeded");
        let intent = &mut self.intents[index];
        intent.status = IntentStatus::Succeeded;
        intent.amount_received = intent.amount;
        self.intent_changed(index, "payment_intent.succeeded");
    }

    fn fail_charge(&mut self, index: usize, charge_index: usize, decline_code: &str, message: &str) -> Error {
        let failed = &mut self.charges[charge_index];
        failed.status = ChargeStatus::Failed;
        failed.failure = Some(("card_declined".to_owned(), message.to_owned()));
        let error = Error::card(message)
            .code("card_declined")
            .with("decline_code", decline_code)
            .with("charge", failed.id.clone());
        self.charge_changed(charge_index, "charge.failed");
        self.fail(index, &error);
        error
    }

    /// Ends the payment attempt with an error; the intent can be confirmed again.
    fn fail(&mut self, index: usize, error: &Error) {
        let intent = &mut self.intents[index];
        let method = intent.payment_method.take();
        let method = json!({"id": method, "object": "payment_method", "livemode": false, "type": "card"});
        intent.status = IntentStatus::RequiresPaymentMethod;
        intent.last_payment_error = Some(error.clone().with("payment_method", method).details());
        self.intent_changed(index, "payment_intent.payment_failed");
    }
}
