//! Confirming and cancelling intents.

use bodega_stripe_double::{Card, ChargeStatus, ConfirmError, Outcome};
use serde_json::json;

use crate::merchant::{AMOUNT, Merchant, ORDER, intent_form};

#[tokio::test]
async fn a_successful_card_pays_an_intent() {
    let merchant = Merchant::new().await;
    let secret = merchant.post("payment_intents", &intent_form()).await.text("client_secret");
    let intent = merchant.stripe.confirm(&secret, Card::Visa).await.unwrap();
    assert_eq!(
        (&intent["status"], &intent["amount_received"], &intent["last_payment_error"]),
        (&json!("succeeded"), &json!(AMOUNT), &json!(null))
    );
    let charge = merchant.get(&format!("charges/{}", intent["latest_charge"].as_str().unwrap())).await;
    for (property, expected) in [
        ("amount", json!(AMOUNT)),
        ("amount_refunded", json!(0)),
        ("currency", json!("usd")),
        ("metadata", json!({"order_id": ORDER})),
        ("paid", json!(true)),
        ("payment_intent", intent["id"].clone()),
        ("refunded", json!(false)),
        ("status", json!("succeeded")),
    ] {
        assert_eq!(charge.body[property], expected, "{property}");
    }
    assert_eq!(
        merchant.event_types(),
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    );
    assert_eq!(merchant.stripe.events()[2]["data"]["object"], intent);
    assert_eq!(merchant.stripe.charges_of(ORDER).len(), 1);
    assert_eq!(merchant.stripe.total_charged(), AMOUNT);
}

#[tokio::test]
async fn a_declined_card_leaves_the_intent_payable() {
    let merchant = Merchant::new().await;
    let intent = merchant.create_intent().await;
    let path = format!("payment_intents/{intent}/confirm");
    for (method, decline_code) in [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ] {
        let response = merchant.post(&path, &[("payment_method", method)]).await;
        let error = &response.body["error"];
        assert_eq!((response.status, response.code()), (402, "card_declined"));
        assert_eq!((&error["type"], &error["decline_code"]), (&json!("card_error"), &json!(decline_code)));
        let intent = &error["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["last_payment_error"]["decline_code"], decline_code);
        assert_eq!(intent["last_payment_error"]["payment_method"]["id"], method);
        assert_eq!(intent["latest_charge"], error["charge"]);
    }
    assert_eq!(merchant.stripe.charges_of(ORDER), []);
    assert_eq!(merchant.post(&path, &[]).await.code(), "payment_intent_unexpected_state");
    let paid = merchant.stripe.confirm(&intent, Card::Visa).await.unwrap();
    assert_eq!((&paid["status"], &paid["last_payment_error"]), (&json!("succeeded"), &json!(null)));
    let charges: Vec<_> = merchant.stripe.charges().iter().map(|charge| charge.status).collect();
    assert_eq!(charges, [ChargeStatus::Failed, ChargeStatus::Failed, ChargeStatus::Succeeded]);
    assert_eq!(merchant.event_types()[1..3], ["charge.failed", "payment_intent.payment_failed"]);
}

#[tokio::test]
async fn authentication_leaves_the_intent_in_requires_action_until_settled() {
    let merchant = Merchant::new().await;
    let intent = merchant.create_intent().await;
    let waiting = merchant.stripe.confirm(&intent, Card::AuthenticationRequired).await.unwrap();
    assert_eq!(waiting["status"], "requires_action");
    assert_eq!(waiting["next_action"]["type"], "use_stripe_sdk");
    assert!(merchant.stripe.settle_intent(&intent, Outcome::Fails));
    let failed = merchant.stripe.object(&intent).unwrap();
    assert_eq!(failed["status"], "requires_payment_method");
    assert_eq!(failed["last_payment_error"]["code"], "payment_intent_authentication_failure");
    assert_eq!(failed["next_action"], json!(null));
    assert!(!merchant.stripe.settle_intent(&intent, Outcome::Succeeds));

    merchant.stripe.confirm(&intent, Card::AuthenticationRequired).await.unwrap();
    assert!(merchant.stripe.settle_intent(&intent, Outcome::Succeeds));
    assert_eq!(merchant.stripe.object(&intent).unwrap()["status"], "succeeded");
    assert_eq!(
        merchant.event_types()[1..],
        [
            "payment_intent.requires_action",
            "payment_intent.payment_failed",
            "payment_intent.requires_action",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
}

#[tokio::test]
async fn a_slow_payment_is_processing_until_settled() {
    let merchant = Merchant::new().await;
    for (outcome, status) in [(Outcome::Fails, "requires_payment_method"), (Outcome::Succeeds, "succeeded")] {
        let intent = merchant.create_intent().await;
        let waiting = merchant.stripe.confirm(&intent, Card::Slow).await.unwrap();
        assert_eq!(waiting["status"], "processing");
        assert_eq!(merchant.stripe.charges_of(ORDER), []);
        assert!(merchant.stripe.settle_intent(&intent, outcome));
        assert_eq!(merchant.stripe.object(&intent).unwrap()["status"], status);
        assert!(!merchant.stripe.settle_intent(&intent, outcome));
    }
    assert_eq!(merchant.stripe.charges_of(ORDER).len(), 1);
}

#[tokio::test]
async fn a_canceled_intent_stays_canceled() {
    let merchant = Merchant::new().await;
    for card in [None, Some(Card::Declined), Some(Card::AuthenticationRequired)] {
        let intent = merchant.create_intent().await;
        if let Some(card) = card {
            merchant.stripe.confirm(&intent, card).await.unwrap();
        }
        let path = format!("payment_intents/{intent}/cancel");
        let cancelled = merchant.post(&path, &[("cancellation_reason", "abandoned")]).await;
        assert_eq!(
            (&cancelled.body["status"], &cancelled.body["cancellation_reason"]),
            (&json!("canceled"), &json!("abandoned"))
        );
        assert!(cancelled.body["canceled_at"].is_i64());
        let paid = merchant.stripe.confirm(&intent, Card::Visa).await.unwrap();
        assert_eq!(paid["status"], "canceled");
        assert!(!merchant.stripe.settle_intent(&intent, Outcome::Succeeds));
    }
    assert_eq!(merchant.stripe.total_charged(), 0);
}

#[tokio::test]
async fn rejects_cancelling_or_paying_an_intent_that_is_not_open() {
    let merchant = Merchant::new().await;
    let slow = merchant.create_intent().await;
    merchant.stripe.confirm(&slow, Card::Slow).await.unwrap();
    let cancelled = merchant.create_intent().await;
    merchant.post(&format!("payment_intents/{cancelled}/cancel"), &[]).await;
    let events = merchant.event_types().len();
    for (intent, status) in [(slow, "processing"), (cancelled, "canceled")] {
        for (verb, form) in [("cancel", &[][..]), ("confirm", &[("payment_method", "pm_card_visa")])] {
            let response = merchant.post(&format!("payment_intents/{intent}/{verb}"), form).await;
            assert_eq!((response.status, response.code()), (400, "payment_intent_unexpected_state"));
            assert_eq!(response.body["error"]["payment_intent"]["status"], status);
        }
    }
    assert_eq!(merchant.event_types().len(), events);
    let paid = merchant.create_paid_intent().await;
    let response = merchant.post(&format!("payment_intents/{paid}/cancel"), &[]).await;
    assert_eq!(response.body["error"]["payment_intent"]["status"], "succeeded");
    assert_eq!(merchant.stripe.total_charged(), AMOUNT);
}

#[tokio::test]
async fn confirming_requires_a_known_payment_method() {
    let merchant = Merchant::new().await;
    let path = format!("payment_intents/{}/confirm", merchant.create_intent().await);
    assert_eq!(merchant.post(&path, &[]).await.code(), "payment_intent_unexpected_state");
    let response = merchant.post(&path, &[("payment_method", "pm_card_plastic")]).await;
    assert_eq!((response.status, response.code()), (404, "resource_missing"));
}

#[tokio::test]
async fn confirm_reports_an_unknown_intent() {
    let merchant = Merchant::new().await;
    let result = merchant.stripe.confirm("pi_1_secret_2", Card::Visa).await;
    assert_eq!(result, Err(ConfirmError::Rejected(404, "No such payment_intent: 'pi_1'".to_owned())));
}
