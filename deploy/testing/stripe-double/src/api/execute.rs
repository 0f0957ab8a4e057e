//! Executes requests.

use serde_json::{Value, json};

use super::command::Command;
use crate::{
    error::Error,
    ledger::{Charge, Intent, Ledger, Refund},
    options::Options,
};

impl Ledger {
    /// Executes a request and returns the object that it concerns, with ids expanded to objects as requested.
    ///
    /// # Errors
    /// When the request is not possible.
    pub(crate) fn execute(
        &mut self,
        command: Command,
        expand: &[String],
        options: &Options,
    ) -> Result<Value, Error> {
        let mut object = self.execute_command(command, options)?;
        for path in expand {
            self.expand(&mut object, path);
        }
        Ok(object)
    }

    fn execute_command(&mut self, command: Command, options: &Options) -> Result<Value, Error> {
        match command {
            Command::CreateIntent(new) => self.create_intent(new),
            Command::RetrieveIntent { id, client_secret } => {
                self.check_secret(&id, client_secret.as_deref())?;
                Ok(self.intents[self.intent_index(&id)?].json())
            }
            Command::ListIntents(page) => {
                let (intents, has_more) = self.intents.page("payment_intent", &page, |_| true)?;
                Ok(list("/v1/payment_intents", intents.into_iter().map(Intent::json), has_more))
            }
            Command::ConfirmIntent { id, client_secret, payment_method } => {
                self.check_secret(&id, client_secret.as_deref())?;
                self.confirm_intent(&id, payment_method)
            }
            Command::CancelIntent { id, reason } => self.cancel_intent(&id, reason),
            Command::CreateRefund(new) => self.create_refund(new),
            Command::RetrieveRefund(id) => {
                let refund = self.refunds.get(&id).ok_or_else(|| Error::no_such("refund", &id, "id"))?;
                Ok(refund.json())
            }
            Command::ListRefunds { payment_intent, charge, page } => {
                let matches =
                    |filter: &Option<String>, id: &String| filter.as_ref().is_none_or(|filter| filter == id);
                let (refunds, has_more) = self.refunds.page("refund", &page, |refund| {
                    matches(&payment_intent, &refund.payment_intent) && matches(&charge, &refund.charge)
                })?;
                Ok(list("/v1/refunds", refunds.into_iter().map(Refund::json), has_more))
            }
            Command::RetrieveCharge(id) => {
                let charge = self.charges.get(&id).ok_or_else(|| Error::no_such("charge", &id, "id"))?;
                Ok(Charge::json(charge))
            }
            Command::RetrieveAccount => Ok(json!({
                "id": options.account,
                "object": "account",
                "charges_enabled": true,
                "country": "US",
                "default_currency": "usd",
                "payouts_enabled": true,
                "type": "standard",
            })),
        }
    }

    /// Checks the client secret, if there is one.
    ///
    /// # Errors
    /// When the client secret belongs to another intent.
    fn check_secret(&self, id: &str, client_secret: Option<&str>) -> Result<(), Error> {
        let intent = &self.intents[self.intent_index(id)?];
        if client_secret.is_some_and(|secret| secret != intent.client_secret) {
            let message = "The client_secret provided does not match the client_secret associated with the \
                           PaymentIntent.";
            return Err(Error::invalid(message).with("param", "client_secret"));
        }
        Ok(())
    }

    /// Replaces the ids at a path such as `data.latest_charge` by the objects.
    fn expand(&self, value: &mut Value, path: &str) {
        if let Value::Array(values) = value {
            values.iter_mut().for_each(|value| self.expand(value, path));
            return;
        }
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let Some(property) = value.get_mut(name) else { return };
        if let Some(object) = property.as_str().and_then(|id| self.object(id)) {
            *property = object;
        }
        if let Some(rest) = rest {
            self.expand(property, rest);
        }
    }
}

fn list(url: &str, data: impl Iterator<Item = Value>, has_more: bool) -> Value {
    json!({"object": "list", "data": data.collect::<Vec<_>>(), "has_more": has_more, "url": url})
}
