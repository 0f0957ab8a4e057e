//! How every rule can be broken.

/// Ways to break a rule: its name, and what a superuser could do.
pub(super) const BREAKS: &[(&str, &str)] = &[
    // Catalog.
    ("stock is the sum of its movements", "update catalog.products set stock = stock + 1"),
    (
        "stock was never below zero",
        "update catalog.products set stock = 0;
         insert into catalog.stock_movements (product_id, delta, reason) select id, -1000000, 'adjusted' from catalog.products",
    ),
    (
        "what was put in is in stock or reserved",
        "set session_replication_role = replica;
         delete from catalog.reservation_lines",
    ),
    (
        "what went out of stock and came back was reserved and released",
        "set session_replication_role = replica;
         update catalog.stock_movements set delta = delta - 1 where reason = 'reserved'",
    ),
    (
        "what went out of stock and came back was reserved and released",
        "set session_replication_role = replica;
         delete from catalog.stock_movements where reason = 'released'",
    ),
    (
        "an order that lives has its lines reserved",
        "update catalog.reservations set status = 'released', released_at = now()",
    ),
    ("an order that lives has its lines reserved", "update catalog.reservation_lines set price_minor = price_minor + 1"),
    (
        "what is reserved belongs to an order that lives, line by line",
        "update catalog.reservations set status = 'reserved', released_at = null where status = 'released'",
    ),
    (
        "what is reserved belongs to an order that lives, line by line",
        "delete from orders.order_items where quantity = 1",
    ),
    (
        "a picture is kept as long as a product shows it",
        "update catalog.stored_images set delete_after = now() where delete_after is null",
    ),
    ("a picture is kept as long as a product shows it", "delete from catalog.product_images"),
    // Orders.
    ("an order costs what its lines cost", "update orders.orders set total_minor = total_minor + 1 where status = 'paid'"),
    ("an order costs what its lines cost", "update orders.order_items set quantity = 1 where quantity = 2"),
    ("an order costs what its lines cost", "delete from orders.order_items where quantity = 2"),
    ("an order moved along its states", "update orders.orders set status = 'shipped' where status = 'confirmed'"),
    ("an order moved along its states", "delete from orders.order_events where status = 'pending'"),
    (
        "an order moved along its states",
        "insert into orders.order_events (order_id, status, created_at)
         select id, 'shipped', now() from orders.orders where status = 'cancelled'",
    ),
    (
        "an order moved along its states",
        "update orders.order_events set status = 'shipped' where not status_changed and status = 'pending'",
    ),
    (
        "no neighbour refuses what it is told",
        "insert into orders.outbox (order_id, kind, next_attempt_at, rejection)
         select id, 'clear_cart', now(), 'it makes no sense' from orders.orders where status = 'completed'",
    ),
    // Payments.
    (
        "an order is paid as long as one of its payments is completed",
        "update orders.payments set status = 'failed' where status = 'completed'",
    ),
    (
        "an order is paid as long as one of its payments is completed",
        "update orders.payments p set status = 'completed' from orders.orders o
         where o.id = p.order_id and o.status = 'pending' and p.status = 'requires_payment'",
    ),
    (
        "an order is paid as long as one of its payments is completed",
        "update orders.order_events set payment_status = 'processing' where status_changed and status = 'paid'",
    ),
    (
        "a cancelled order keeps no money",
        "update orders.payments set status = 'completed', closed = false where status = 'refunded'",
    ),
    ("a payment is of its order's total", "update orders.payments set amount_minor = amount_minor - 1"),
    ("a payment is of its order's total", "update orders.payments set currency = 'EUR'"),
    ("money comes once and goes back once", "update orders.payments set status = 'refund_pending' where status = 'completed'"),
    ("money comes once and goes back once", "delete from orders.order_events where payment_status = 'completed'"),
    ("money comes once and goes back once", "delete from orders.order_events where not status_changed"),
    (
        "money comes once and goes back once",
        "insert into orders.order_events (order_id, status, status_changed, payment_status, payment_id, created_at)
         select o.id, o.status, false, 'failed', p.id, now()
         from orders.orders o join orders.payments p on p.order_id = o.id where p.status = 'completed';
         update orders.payments set status = 'failed' where status = 'completed'",
    ),
    (
        "an order has at most one open payment",
        "drop index orders.one_open_payment_per_order;
         insert into orders.payments (id, order_id, attempt, provider, status, amount_minor, currency)
         select gen_random_uuid(), order_id, attempt + 1, provider, status, amount_minor, currency
         from orders.payments where status = 'requires_payment'",
    ),
    (
        "a payment that can move by itself is watched",
        "update orders.payments set next_poll_at = null where status = 'requires_payment'",
    ),
    (
        "a payment that can move by itself is watched",
        "update orders.payments set next_poll_at = now() + interval '1 day' where status = 'requires_payment'",
    ),
    (
        "a payment that can move by itself is watched",
        "update orders.payments set status = 'refund_pending', closed = false where status = 'refunded'",
    ),
    (
        "what a provider told is applied, or will be",
        "alter table orders.provider_events drop constraint applied_events_have_an_outcome;
         update orders.provider_events set applied_at = null, outcome = null",
    ),
    (
        "what a provider told came to pass",
        "update orders.provider_events set intent_snapshot = jsonb_set(intent_snapshot, '{amount_minor}', '1')",
    ),
    ("what a provider told came to pass", "delete from orders.order_events where payment_status = 'completed'"),
    ("what a provider told came to pass", "update orders.payments set intent_id = intent_id || 'x'"),
    (
        "a cart as it stood gave one order",
        "drop index orders.one_order_per_cart_version; update orders.orders set cart_version = 1",
    ),
    ("an idempotency key leads its user to their own order", "update orders.idempotency_keys set user_id = gen_random_uuid()"),
    ("whoever ordered has an account", "update orders.orders set user_id = gen_random_uuid()"),
    // Cart.
    (
        "a cart's lines are within bounds, of products there are",
        "alter table cart.cart_items drop constraint quantity_in_bounds;
         update cart.cart_items set quantity = 10000 where quantity = 1",
    ),
    (
        "a cart's lines are within bounds, of products there are",
        "insert into cart.cart_items (cart_id, product_id, quantity, quoted_price_minor, currency)
         select id, 999, 1, 0, 'USD' from cart.carts limit 1",
    ),
    ("a cart belongs to an account or a guest", "update cart.carts set user_id = gen_random_uuid() where user_id is not null"),
    ("what was taken out of a cart was ordered", "update cart.checkouts set order_id = gen_random_uuid()"),
    ("what was ordered was taken out of its cart", "delete from cart.checkouts"),
    // Identity.
    (
        "a login belongs to one account",
        "alter table identity.users drop constraint one_user_per_email;
         update identity.users set email_normalized = 'a@b', email = 'a@b'",
    ),
    ("a picture is kept as long as an account shows it", "update identity.stored_images set delete_after = now() where delete_after is null"),
    ("a picture is kept as long as an account shows it", "update identity.users set avatar_image_key = null"),
    ("whoever is disabled or deleted is signed out", "update identity.users set disabled = true where role = 'user'"),
    ("somebody can run the shop", "update identity.users set role = 'user'"),
    (
        "one key signs access tokens",
        "drop index identity.one_current_signing_key;
         insert into identity.signing_keys
         select (jsonb_populate_record(k, '{\"kid\": \"another\"}')).* from identity.signing_keys k",
    ),
];
