//! Payments outside of the system, such as cash or bank transfer: an admin marks the order paid.

use super::{
    Event, Intent, IntentSnapshot, IntentState, InvalidEvent, ListedRefund, NewIntent, NewRefund, Provider,
    ProviderError, Refund, RefundState,
};

/// The name of the provider in the database and in the API.
pub(crate) const NAME: &str = "offline";

/// Stores nothing and never fails.
#[derive(Debug)]
pub(crate) struct Offline;

#[tonic::async_trait]
impl Provider for Offline {
    fn name(&self) -> &'static str {
        NAME
    }

    fn livemode(&self) -> Option<bool> {
        None
    }

    fn publishable_key(&self) -> &str {
        ""
    }

    fn parse_webhook(&self, _: &[u8], _: &str) -> Option<Result<Event, InvalidEvent>> {
        None
    }

    async fn create_intent(&self, new_intent: &NewIntent) -> Result<Intent, ProviderError> {
        Ok(Intent { id: new_intent.payment_id.to_string(), client_secret: String::new() })
    }

    async fn retrieve_intent(
        &self,
        intent_id: &str,
        new_intent: &NewIntent,
    ) -> Result<IntentSnapshot, ProviderError> {
        Ok(snapshot(intent_id, new_intent, IntentState::Open))
    }

    async fn cancel_intent(
        &self,
        intent_id: &str,
        new_intent: &NewIntent,
    ) -> Result<IntentSnapshot, ProviderError> {
        Ok(snapshot(intent_id, new_intent, IntentState::Cancelled))
    }

    /// Succeeds at once: an admin returns the money outside of the system.
    async fn refund(&self, _: &str, _: &str) -> Result<Refund, ProviderError> {
        Ok(Refund { id: String::new(), state: RefundState::Succeeded })
    }

    async fn retrieve_refund(&self, refund_id: &str) -> Result<Refund, ProviderError> {
        Ok(Refund { id: refund_id.to_owned(), state: RefundState::Succeeded })
    }

    /// Succeeds at once, as [`refund`](Self::refund).
    async fn refund_part(&self, _: &str, _: &NewRefund) -> Result<Refund, ProviderError> {
        Ok(Refund { id: String::new(), state: RefundState::Succeeded })
    }

    async fn list_refunds(&self, _: &str) -> Result<Vec<ListedRefund>, ProviderError> {
        Ok(Vec::new())
    }
}

fn snapshot(intent_id: &str, new_intent: &NewIntent, state: IntentState) -> IntentSnapshot {
    IntentSnapshot {
        intent_id: intent_id.to_owned(),
        order_id: Some(new_intent.order_id),
        payment_id: Some(new_intent.payment_id),
        amount_minor: new_intent.amount_minor,
        currency: new_intent.currency.clone(),
        state,
        refunded_minor: 0,
        failed_refund: None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn cancelling_returns_the_intent_of_the_payment() {
        let new_intent = NewIntent {
            order_id: Uuid::now_v7(),
            payment_id: Uuid::now_v7(),
            attempt: 1,
            amount_minor: 1999,
            currency: "EUR".to_owned(),
        };
        let intent = Offline.create_intent(&new_intent).await.unwrap();
        let again = Offline.create_intent(&new_intent).await.unwrap();
        assert_eq!((&intent.id, intent.client_secret.as_str()), (&again.id, ""));

        let open = Offline.retrieve_intent(&intent.id, &new_intent).await.unwrap();
        let cancelled = Offline.cancel_intent(&intent.id, &new_intent).await.unwrap();
        assert_eq!((open.state, cancelled.state), (IntentState::Open, IntentState::Cancelled));
        assert_eq!(cancelled.intent_id, new_intent.payment_id.to_string());
        assert_eq!((cancelled.amount_minor, cancelled.currency.as_str()), (1999, "EUR"));
    }
}
