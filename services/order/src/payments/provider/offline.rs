//! Money that changes hands elsewhere: an admin marks the order paid.

use super::{Failure, Intent, IntentSnapshot, IntentState, NewIntent, Provider, Refund, RefundState};
use crate::payments::OFFLINE;

/// Cash, a transfer, a cheque: nothing that could be asked. So it knows what it is told, and nothing fails.
#[derive(Debug)]
pub(crate) struct Offline;

#[tonic::async_trait]
impl Provider for Offline {
    fn name(&self) -> &'static str {
        OFFLINE
    }

    fn publishable_key(&self) -> &str {
        ""
    }

    async fn create(&self, wanted: &NewIntent) -> Result<Intent, Failure> {
        Ok(Intent { id: wanted.payment_id.to_string(), client_secret: String::new() })
    }

    async fn look_up(&self, intent_id: &str, wanted: &NewIntent) -> Result<IntentSnapshot, Failure> {
        Ok(snapshot(intent_id, wanted, IntentState::Open))
    }

    async fn cancel(&self, intent_id: &str, wanted: &NewIntent) -> Result<IntentSnapshot, Failure> {
        Ok(snapshot(intent_id, wanted, IntentState::Cancelled))
    }

    /// An admin hands it back: for the books it is done.
    async fn refund(&self, _: &str, _: &str) -> Result<Refund, Failure> {
        Ok(Refund { id: String::new(), state: RefundState::Succeeded })
    }

    async fn look_up_refund(&self, refund_id: &str) -> Result<Refund, Failure> {
        Ok(Refund { id: refund_id.to_owned(), state: RefundState::Succeeded })
    }
}

fn snapshot(intent_id: &str, wanted: &NewIntent, state: IntentState) -> IntentSnapshot {
    IntentSnapshot {
        intent_id: intent_id.to_owned(),
        order_id: Some(wanted.order_id),
        payment_id: Some(wanted.payment_id),
        amount_minor: wanted.amount_minor,
        currency: wanted.currency.clone(),
        state,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn what_is_called_off_is_the_payment_that_was_wanted() {
        let wanted = NewIntent {
            order_id: Uuid::now_v7(),
            payment_id: Uuid::now_v7(),
            attempt: 1,
            amount_minor: 1999,
            currency: "EUR".to_owned(),
        };
        let intent = Offline.create(&wanted).await.unwrap();
        let again = Offline.create(&wanted).await.unwrap();
        assert_eq!((&intent.id, intent.client_secret.as_str()), (&again.id, ""));

        let open = Offline.look_up(&intent.id, &wanted).await.unwrap();
        let cancelled = Offline.cancel(&intent.id, &wanted).await.unwrap();
        assert_eq!((open.state, cancelled.state), (IntentState::Open, IntentState::Cancelled));
        assert_eq!(cancelled.intent_id, wanted.payment_id.to_string());
        assert_eq!((cancelled.amount_minor, cancelled.currency.as_str()), (1999, "EUR"));
    }
}
