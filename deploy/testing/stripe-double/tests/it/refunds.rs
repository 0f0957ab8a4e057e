//! Refunds.

use bodega_stripe_double::{Card, Outcome, RefundStatus};
use serde_json::json;

use crate::merchant::{AMOUNT, Merchant, ORDER};

#[tokio::test]
async fn refunds_the_remaining_amount_by_default() {
    let merchant = Merchant::new().await;
    let intent = merchant.create_paid_intent().await;
    let part = merchant.post("refunds", &[("payment_intent", &intent), ("amount", "1000")]).await;
    assert_eq!((&part.body["amount"], &part.body["status"]), (&json!(1000), &json!("succeeded")));
    let charge = part.text("charge");
    assert_eq!(merchant.get(&format!("charges/{charge}")).await.body["refunded"], json!(false));
    let more = merchant.post("refunds", &[("charge", &charge), ("amount", "1000")]).await;
    assert_eq!((more.status, &more.body["error"]["param"]), (400, &json!("amount")));
    let rest = merchant.post("refunds", &[("charge", &charge)]).await;
    assert_eq!(rest.body["amount"], 999);
    for form in [vec![("charge", &*charge)], vec![("payment_intent", &*intent), ("amount", "1")]] {
        let again = merchant.post("refunds", &form).await;
        assert_eq!((again.status, again.code()), (400, "charge_already_refunded"));
    }
    let listed = merchant.get(&format!("refunds?payment_intent={intent}")).await;
    assert_eq!(listed.body["data"], json!([rest.body, part.body]));
    assert_eq!(merchant.get(&format!("refunds/{}", rest.text("id"))).await.body, rest.body);
    assert_eq!(merchant.stripe.total_refunded(), AMOUNT);
    assert_eq!(merchant.stripe.refunds_of(ORDER).len(), 2);

    let events = merchant.stripe.events();
    assert_eq!(
        merchant.event_types()[3..],
        ["refund.created", "charge.refunded", "refund.created", "charge.refunded"]
    );
    let charge = &events.last().unwrap()["data"]["object"];
    for (property, expected) in [
        ("object", json!("charge")),
        ("payment_intent", json!(intent)),
        ("amount", json!(AMOUNT)),
        ("amount_refunded", json!(AMOUNT)),
        ("refunded", json!(true)),
        ("currency", json!("usd")),
        ("metadata", json!({"order_id": ORDER})),
    ] {
        assert_eq!(charge[property], expected, "{property}");
    }
}

#[tokio::test]
async fn rejects_refunds_without_a_successful_charge() {
    let merchant = Merchant::new().await;
    let intent = merchant.create_intent().await;
    for card in [None, Some(Card::Declined), Some(Card::Slow)] {
        if let Some(card) = card {
            merchant.stripe.confirm(&intent, card).await.unwrap();
        }
        let response = merchant.post("refunds", &[("payment_intent", &intent)]).await;
        assert_eq!(response.status, 400, "{card:?}");
    }
    assert_eq!(merchant.post("refunds", &[]).await.status, 400);
    assert_eq!(merchant.post("refunds", &[("payment_intent", "pi_1")]).await.code(), "resource_missing");
    assert_eq!(merchant.stripe.refunds(), []);
}

#[tokio::test]
async fn a_pending_refund_completes_when_settled() {
    let merchant = Merchant::new().await;
    merchant.stripe.set_refund_status(RefundStatus::Pending);
    let intent = merchant.create_paid_intent().await;
    let refund = async || merchant.post("refunds", &[("payment_intent", &intent)]).await;
    let first = refund().await;
    assert_eq!(first.body["status"], "pending");
    assert_eq!(refund().await.code(), "charge_already_refunded");
    assert!(merchant.stripe.settle_refund(&first.text("id"), Outcome::Fails));
    assert!(!merchant.stripe.settle_refund(&first.text("id"), Outcome::Succeeds));
    let failed = merchant.get(&format!("refunds/{}", first.text("id"))).await;
    assert_eq!(failed.body["status"], "failed");
    assert!(failed.body["failure_reason"].is_string());
    assert_eq!(merchant.stripe.total_refunded(), 0);

    let second = refund().await;
    assert!(merchant.stripe.settle_refund(&second.text("id"), Outcome::Succeeds));
    assert_eq!(merchant.stripe.total_refunded(), AMOUNT);
    assert_eq!(
        merchant.event_types()[3..],
        [
            "refund.created",
            "charge.refunded",
            "refund.updated",
            "refund.failed",
            "refund.created",
            "charge.refunded",
            "refund.updated"
        ]
    );
    let updated = merchant.stripe.events().pop().unwrap();
    assert_eq!(updated["data"]["object"]["status"], "succeeded");
    assert_eq!(updated["data"]["previous_attributes"], json!({"status": "pending"}));
}

#[tokio::test]
async fn a_refund_can_fail_at_once_or_after_success() {
    let merchant = Merchant::new().await;
    let intent = merchant.create_paid_intent().await;
    merchant.stripe.set_refund_status(RefundStatus::Failed);
    let refund = async || merchant.post("refunds", &[("payment_intent", &intent)]).await;
    assert_eq!(refund().await.body["status"], "failed");
    assert_eq!(merchant.event_types()[3..], ["refund.created", "refund.failed"]);
    merchant.stripe.set_refund_status(RefundStatus::Succeeded);
    let succeeded = refund().await;
    assert_eq!(merchant.stripe.total_refunded(), AMOUNT);
    assert!(merchant.stripe.settle_refund(&succeeded.text("id"), Outcome::Fails));
    assert_eq!(merchant.stripe.total_refunded(), 0);
}
