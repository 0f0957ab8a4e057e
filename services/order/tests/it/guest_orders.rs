//! Orders of guests: checkout, access by token, claims, and the deletion of personal data.

use bodega_mail::testing::SmtpServer;
use bodega_order::{OrderMail, OrderMailArgs, RequireVerifiedEmail};
use bodega_proto::order::v1::{
    CheckoutForm, CreatePaymentIntentRequest, DeleteOrderContactRequest, GetQuoteRequest,
    ListAllOrdersRequest, ListOrdersRequest, OrderStatus,
};
use futures_util::future::join_all;
use tonic::Code;
use uuid::Uuid;

use crate::{
    guests::contact,
    stripe::StripeApp,
    test_app::{HAT, MUG, MUG_PRICE, PEN, TestApp, error_reason, lines, violations},
};

#[tokio::test]
async fn a_guest_orders_without_an_account() {
    let app = TestApp::start().await;
    let guest = app.guest_with_cart(&[(MUG, 2), (PEN, 1)]);
    let placed = app.place_as_guest(&guest, "").await.unwrap();
    let order = &placed.order;
    assert_eq!((order.user_id.as_str(), order.total_minor), ("", 2 * MUG_PRICE + 250));
    assert_eq!(lines(order), [(MUG, 2), (PEN, 1)]);
    assert!(app.cart.lines_of(guest.id()).is_empty());
    assert_eq!(placed.access_token.len(), 43, "256 bits in base64");

    let listed = app.admin().list_all_orders(ListAllOrdersRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.orders[0].user_id, "");
    let (actor, mail_user, contact_user): (Option<Uuid>, Option<Uuid>, Option<Uuid>) = sqlx::query_as(
        "select (select actor from orders.order_events), (select user_id from orders.mails),
                (select user_id from orders.order_contacts)",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!((actor, mail_user, contact_user), (None, None, None));
    let row: String =
        sqlx::query_scalar("select o::text || f::text from orders.orders o, orders.checkout_forms f")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert!(!row.contains(&placed.access_token) && !row.contains(&guest.token()), "{row}");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_return_the_same_order_and_token() {
    let app = TestApp::start().await;
    let guest = app.guest_with_cart(&[(MUG, 1)]);
    let results = join_all((0..10).map(|_| app.place_as_guest(&guest, "key"))).await;
    let first = results[0].as_ref().unwrap();
    assert!(results.iter().all(|result| result.as_ref().unwrap() == first), "{results:?}");
    let other = app.replica().await;
    assert_eq!(app.place_as_guest(&guest, "key").await.unwrap(), *first);
    other.kill().await;
    assert_eq!(error_reason(app.place_as_guest(&guest, "").await), "empty_cart");

    app.add_to_cart(guest.id(), &[(PEN, 1)]);
    let second = app.place_as_guest(&guest, "other").await.unwrap();
    assert_ne!((&second.order.id, &second.access_token), (&first.order.id, &first.access_token));
    assert_eq!(app.place_as_guest(&guest, "key").await.unwrap(), *first);
    let mut changed = contact();
    changed.note = "another request".to_owned();
    let reused = app.try_place_as_guest(&guest.token(), "key", Some(changed)).await;
    assert_eq!(error_reason(reused), "idempotency_key_reused");
}

#[tokio::test]
async fn a_guest_needs_an_email_address_and_a_cart() {
    let app = TestApp::start().await;
    let guest = app.guest_with_cart(&[(MUG, 1)]);
    for form in [None, Some(CheckoutForm { note: "no contact".to_owned(), ..Default::default() })] {
        let error = app.try_place_as_guest(&guest.token(), "", form).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(violations(&error), [("contact.email".to_owned(), "is required".to_owned())]);
    }
    let unknown = "A".repeat(43);
    for token in ["x", &unknown] {
        let result = app.try_place_as_guest(token, "", Some(contact())).await;
        assert_eq!(error_reason(result), "cart_not_found", "{token}");
    }
    assert_eq!(error_reason(app.try_place_as_guest("", "", Some(contact())).await), "unauthenticated");

    let quote = async |guest_token: &str, form| {
        let request = GetQuoteRequest { guest_token: guest_token.to_owned(), form };
        app.guest_client().get_quote(request).await.map(|response| response.into_inner())
    };
    let quoted = quote(&guest.token(), None).await.unwrap();
    assert_eq!((quoted.total_minor, quoted.missing), (MUG_PRICE, vec!["contact.email".to_owned()]));
    assert_eq!(quote(&guest.token(), Some(contact())).await.unwrap().missing, [""; 0]);
    assert_eq!(error_reason(quote(&unknown, None).await), "cart_not_found");
    assert_eq!(error_reason(quote("", None).await), "unauthenticated");
}

#[tokio::test]
async fn a_guest_cannot_write_lines_of_a_mail() {
    let app = TestApp::start().await;
    let guest = app.guest_with_cart(&[(MUG, 1)]);
    let mut form = contact();
    form.contact.as_mut().unwrap().name = "Ada,\n\nyou have won. Visit https://evil.example".to_owned();
    let error = app.try_place_as_guest(&guest.token(), "", Some(form.clone())).await.unwrap_err();
    let expected = [("contact.name".to_owned(), "must be one line".to_owned())];
    assert_eq!(violations(&error), expected);
    let request = GetQuoteRequest { guest_token: guest.token(), form: Some(form) };
    assert_eq!(violations(&app.guest_client().get_quote(request).await.unwrap_err()), expected);
}

#[tokio::test]
async fn a_store_that_requires_confirmed_addresses_rejects_guests() {
    let args = OrderMailArgs { require_verified_email: RequireVerifiedEmail::Checkout, ..Default::default() };
    let app = TestApp::with_mail(OrderMail { mailer: None, args }).await;
    let guest = app.guest_with_cart(&[(MUG, 1)]);
    assert_eq!(error_reason(app.place_as_guest(&guest, "").await), "email_not_verified");
}

#[tokio::test]
async fn the_token_opens_one_order() {
    let app = TestApp::start().await;
    let placed = app.place_as_guest(&app.guest_with_cart(&[(MUG, 1)]), "").await.unwrap();
    let other = app.place_as_guest(&app.guest_with_cart(&[(PEN, 1)]), "").await.unwrap();
    let of_user = app.new_order(&[(MUG, 1)]).await;
    let (id, token) = (&placed.order.id, &placed.access_token);
    assert_eq!(app.open(id, token).await.unwrap(), placed.order);

    let unknown = app.open(&Uuid::now_v7().to_string(), token).await.unwrap_err();
    assert_eq!(
        (unknown.code(), error_reason::<()>(Err(unknown.clone())).as_str()),
        (Code::NotFound, "order_not_found")
    );
    let wrong = "A".repeat(43);
    for (id, token) in [(id, &other.access_token), (id, &wrong), (&of_user.id, token), (id, &"x".to_owned())]
    {
        let error = app.open(id, token).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (unknown.code(), unknown.message()), "{id} {token}");
        assert_eq!(error_reason(app.cancel_as_guest(id, token).await), "order_not_found");
        let request = CreatePaymentIntentRequest { id: id.clone(), access_token: token.clone() };
        assert_eq!(error_reason(app.guest_client().create_payment_intent(request).await), "order_not_found");
    }
    assert_eq!(error_reason(app.open(id, "").await), "unauthenticated");

    let cancelled = app.cancel_as_guest(id, token).await.unwrap();
    assert_eq!(cancelled.status(), OrderStatus::Cancelled);
    assert_eq!(app.cancel_as_guest(id, token).await.unwrap(), cancelled, "a retry");
    assert_eq!(app.get(&other.order.id).await.status(), OrderStatus::Pending);
    let audited: i64 =
        sqlx::query_scalar("select count(*) from orders.audit_events").fetch_one(&app.db).await.unwrap();
    assert_eq!(audited, 0, "the change of a customer is in the history");
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_guest_pays_with_the_token() {
    let app = StripeApp::start().await;
    let placed = app.place_as_guest(&app.guest_with_cart(&[(MUG, 1)]), "").await.unwrap();
    let request =
        CreatePaymentIntentRequest { id: placed.order.id.clone(), access_token: placed.access_token.clone() };
    let mut client = app.guest_client();
    let first = client.create_payment_intent(request.clone()).await.unwrap().into_inner().intent.unwrap();
    let second = client.create_payment_intent(request).await.unwrap().into_inner().intent.unwrap();
    assert_eq!((first.amount_minor, &first.id), (MUG_PRICE, &second.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_moves_the_order_into_the_account() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(PEN, 1)]);
    let own = app.place(user, "").await.unwrap();
    let guests: Vec<_> = (0..2).map(|_| app.guest_with_cart(&[(MUG, 1)])).collect();
    let other_user = Uuid::now_v7();
    for guest in &guests {
        // Their carts have the same version as the user's.
        let placed = app.place_as_guest(guest, "key").await.unwrap();
        let (id, token) = (&placed.order.id, &placed.access_token);
        assert_eq!(error_reason(app.claim(user, id, "wrong").await), "order_not_found");
        let claims = join_all((0..5).map(|_| app.claim(user, id, token))).await;
        assert!(claims.iter().any(Result::is_ok), "{claims:?}");
        let claimed = app.claim(user, id, token).await.unwrap();
        assert_eq!((&claimed.user_id, &claimed.number), (&user.to_string(), &placed.order.number));
        assert_eq!(error_reason(app.open(id, token).await), "order_not_found");
        assert_eq!(error_reason(app.claim(other_user, id, token).await), "order_not_found");
        assert_eq!(error_reason(app.place_as_guest(guest, "key").await), "order_not_found", "a late retry");
        assert_eq!(app.cancel(user, id).await.unwrap().status(), OrderStatus::Cancelled);
    }
    assert_eq!(error_reason(app.claim(other_user, &own.id, "wrong").await), "order_not_found");
    let orders =
        app.client(user).list_orders(ListOrdersRequest::default()).await.unwrap().into_inner().orders;
    assert_eq!(orders.len(), 3);
    let claims: i64 =
        sqlx::query_scalar("select count(*) from orders.audit_events where action = 'order.claimed'")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!(claims, 2, "each is recorded once");
    // The guest can order again.
    app.add_to_cart(guests[0].id(), &[(MUG, 1)]);
    app.place_as_guest(&guests[0], "").await.unwrap();
}

#[tokio::test]
async fn an_admin_deletes_the_personal_data_of_an_order() {
    let app = TestApp::start().await;
    let placed = app.place_as_guest(&app.guest_with_cart(&[(MUG, 1)]), "key").await.unwrap();
    let (id, token) = (&placed.order.id, &placed.access_token);
    let request = || DeleteOrderContactRequest { id: id.clone() };
    let rejected = app.client(Uuid::now_v7()).delete_order_contact(request()).await;
    assert_eq!(error_reason(rejected), "admin_only");
    for _ in 0..2 {
        app.admin().delete_order_contact(request()).await.unwrap();
    }
    let order = app.open(id, token).await.unwrap();
    assert_eq!((order.form, order.total_minor, order.number), (None, MUG_PRICE, placed.order.number));
    let hashes: i64 = sqlx::query_scalar(
        "select (select count(request_hash) from orders.orders) + (select count(request_hash) from orders.idempotency_keys)",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(hashes, 0);
    let actions: Vec<String> =
        sqlx::query_scalar("select action from orders.audit_events").fetch_all(&app.db).await.unwrap();
    assert_eq!(actions, ["order.contact_deleted"], "recorded once");
    let unknown = DeleteOrderContactRequest { id: Uuid::now_v7().to_string() };
    assert_eq!(error_reason(app.admin().delete_order_contact(unknown).await), "order_not_found");
}

#[tokio::test]
async fn mails_go_to_the_contact() {
    let server = SmtpServer::start().await;
    let mail = OrderMail { mailer: Some(server.mailer()), args: OrderMailArgs::default() };
    let app = TestApp::with_mail(mail).await;
    let placed = app.place_as_guest(&app.guest_with_cart(&[(MUG, 1)]), "").await.unwrap();
    app.cancel_as_guest(&placed.order.id, &placed.access_token).await.unwrap();
    let mails = server.wait_for(2, |mail| mail.recipients[0].contains("ada@example.com")).await;
    assert!(mails.iter().all(|mail| mail.header("Subject").contains(&placed.order.number.to_string())));
}

#[tokio::test]
async fn the_number_of_pending_orders_of_a_guest_is_limited() {
    let app = TestApp::start().await;
    let guest = app.guest_with_cart(&[(PEN, 1)]);
    for _ in 0..crate::replica::MAX_PENDING_ORDERS {
        app.place_as_guest(&guest, "").await.unwrap();
        app.add_to_cart(guest.id(), &[(PEN, 1)]);
    }
    assert_eq!(error_reason(app.place_as_guest(&guest, "").await), "too_many_pending_orders");
}

#[tokio::test]
async fn the_contact_of_a_rejected_checkout_is_deleted_with_time() {
    let mut app = TestApp::start().await;
    let guests = [app.guest_with_cart(&[(HAT, 1)]), app.guest_with_cart(&[(HAT, 1)])];
    for guest in &guests {
        assert_eq!(error_reason(app.place_as_guest(guest, "").await), "out_of_stock");
    }
    sqlx::query("update orders.orders set created_at = now() - interval '8 days' where user_id = $1")
        .bind(guests[0].id())
        .execute(&app.db)
        .await
        .unwrap();
    app.restart().await; // which starts with a cleanup
    let started = std::time::Instant::now();
    let contacts = async || -> i64 {
        sqlx::query_scalar("select count(*) from orders.order_contacts").fetch_one(&app.db).await.unwrap()
    };
    while contacts().await > 1 {
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "the contact is not deleted");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let latest: Vec<uuid::Uuid> =
        sqlx::query_scalar("select user_id from orders.latest_checkouts").fetch_all(&app.db).await.unwrap();
    assert_eq!(latest, [guests[1].id()], "nothing of the other checkout is kept");
    app.catalog.add_stock(HAT, "Hat", 3000, 2);
    app.place_as_guest(&guests[0], "").await.unwrap();
    let placed = app.place_as_guest(&app.guest_with_cart(&[(MUG, 1)]), "").await.unwrap();
    assert!(placed.order.form.is_some());
}
