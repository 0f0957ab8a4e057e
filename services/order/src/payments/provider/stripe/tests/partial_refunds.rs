//! Refunds of parts, against the Stripe double and a scripted server.

use bodega_stripe_double::{Fault, Operation};

use super::{
    double::{new_intent, paid, start},
    scripted_server::Action,
    stripe_with, *,
};

fn part(amount_minor: i64) -> NewRefund {
    let refund_id = Uuid::now_v7();
    NewRefund { refund_id, idempotency_key: refund_id.to_string(), amount_minor, currency: "EUR".to_owned() }
}

#[tokio::test]
async fn parts_are_refunded_once_and_listed_with_their_ids() {
    let (double, stripe) = start().await;
    let intent = paid(&double, &stripe, &new_intent()).await;
    let (first, second) = (part(1000), part(600));
    double.fail_next(Operation::Refund, Fault::DropAfter, 2);
    assert!(matches!(stripe.refund_part(&intent.id, &first).await, Err(ProviderError::Unavailable(_))));
    let refunded = stripe.refund_part(&intent.id, &first).await.unwrap();
    assert_eq!(refunded.state, RefundState::Succeeded);
    assert_eq!(stripe.refund_part(&intent.id, &first).await, Ok(refunded.clone()));
    stripe.refund_part(&intent.id, &second).await.unwrap();
    let error = stripe.refund_part(&intent.id, &part(400)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Rejected(_)), "399 are left: {error:?}");
    // The rest, as a cancellation refunds it.
    stripe.refund(&intent.id, "rest").await.unwrap();
    let error = stripe.refund_part(&intent.id, &part(1)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Rejected(_)), "nothing is left: {error:?}");

    let listed = stripe.list_refunds(&intent.id).await.unwrap();
    let found: Vec<_> = listed.iter().map(|listed| (listed.amount_minor, listed.refund_id)).collect();
    assert_eq!(found, [(399, None), (600, Some(second.refund_id)), (1000, Some(first.refund_id))]);
    assert_eq!(listed[2].refund, refunded);
    assert_eq!((double.total_refunded(), double.check()), (1999, Vec::new()));
}

#[tokio::test]
async fn all_pages_of_refunds_are_read() {
    let page = r#"{"object":"list","has_more":true,"data":[
        {"id":"re_2","status":"succeeded","amount":500,"currency":"isk","metadata":{}},
        {"id":"re_1","status":"failed","amount":100,"currency":"isk","metadata":null}]}"#;
    let last = r#"{"object":"list","has_more":false,"data":[
        {"id":"re_0","status":"pending","amount":300,"currency":"isk","metadata":{"refund_id":"of another program"}}]}"#;
    let (stripe, server) =
        stripe_with(vec![Action::Response(200, "", page), Action::Response(200, "", last)]).await;
    let listed = stripe.list_refunds("pi_1").await.unwrap();
    let found: Vec<_> =
        listed.iter().map(|it| (&*it.refund.id, it.refund.state, it.amount_minor, it.refund_id)).collect();
    let expected = [
        ("re_2", RefundState::Succeeded, 5, None),
        ("re_1", RefundState::Failed, 1, None),
        ("re_0", RefundState::Pending, 3, None),
    ];
    assert_eq!(found, expected);
    let requests = server.requests();
    assert!(requests[0].starts_with("get /v1/refunds?payment_intent=pi_1&limit=100 "), "{requests:?}");
    assert!(requests[1].contains("&starting_after=re_1 "), "{requests:?}");
}

/// A proxy between this service and Stripe does not know whether there is a refund.
#[tokio::test]
async fn a_response_that_is_not_of_stripe_is_no_rejection() {
    for status in [400, 404, 413] {
        let (stripe, _server) =
            stripe_with(vec![Action::Response(status, "", "<html>not found</html>")]).await;
        let results = [stripe.refund_part("pi_1", &part(100)).await, stripe.retrieve_refund("re_1").await];
        for result in results {
            assert!(matches!(result, Err(ProviderError::Unavailable(_))), "{status}: {result:?}");
        }
    }
}

#[tokio::test]
async fn an_amount_that_stripe_cannot_refund_is_rejected() {
    let (stripe, server) = stripe_with(vec![Action::Silence]).await;
    let part = NewRefund { currency: "KWD".to_owned(), ..part(1) };
    assert!(matches!(stripe.refund_part("pi_1", &part).await, Err(ProviderError::Rejected(_))));
    assert_eq!(server.requests(), Vec::<String>::new());
}
