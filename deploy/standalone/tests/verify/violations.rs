//! A violation of every check.

/// The name of a check, and SQL that violates it.
pub(super) const VIOLATIONS: &[(&str, &str)] = &[
    // Catalog.
    ("stock equals the sum of its movements", "update catalog.products set stock = stock + 1"),
    ("products match their variants", "update catalog.products set variant_count = 2"),
    ("products match their variants", "update catalog.products set option_names = '{Size}'"),
    ("products match their variants", "update catalog.products set is_sold = false"),
    (
        "products match their variants",
        "insert into catalog.products (name, description, price_minor, currency, stock, archived_at, variant_of, is_sold)
         values ('Mug', '', 1, 'USD', 0, now(), 99999, true)",
    ),
    (
        "products match their variants",
        "insert into catalog.products (name, description, price_minor, currency, stock, archived_at, variant_of, is_sold)
         select name, '', 1, 'USD', 0, now(), id, false from catalog.products where archived_at is null limit 1",
    ),
    (
        "products match their variants",
        "insert into catalog.variants (id, product_id, position, archived_at)
         select id, id, 0, now() from catalog.products where archived_at is null limit 1",
    ),
    (
        "products match their variants",
        "insert into catalog.variants (id, product_id, position)
         select id, (select min(id) from catalog.products), 0 from catalog.products where archived_at is null
         order by id desc limit 1",
    ),
    (
        "stock was never negative",
        "update catalog.products set stock = 0;
         insert into catalog.stock_movements (product_id, delta, reason) select id, -1000000, 'adjusted' from catalog.products",
    ),
    (
        "all added units are in stock or reserved",
        "set session_replication_role = replica;
         delete from catalog.reservation_lines",
    ),
    (
        "stock movements match reservations and releases",
        "set session_replication_role = replica;
         update catalog.stock_movements set delta = delta - 1 where reason = 'reserved'",
    ),
    (
        "stock movements match reservations and releases",
        "set session_replication_role = replica;
         delete from catalog.stock_movements where reason = 'released'",
    ),
    (
        "reviews belong to payments of their order",
        "insert into orders.payment_reviews (payment_id, order_id, provider, reason)
         values (gen_random_uuid(), gen_random_uuid(), 'stripe', 'wrong_amount')",
    ),
    (
        "reviews belong to payments of their order",
        "insert into orders.payment_reviews (payment_id, order_id, provider, reason)
         select id, gen_random_uuid(), provider, 'wrong_amount' from orders.payments limit 1",
    ),
    (
        "every line of an active order is reserved",
        "update catalog.reservations set status = 'released', released_at = now()",
    ),
    ("every line of an active order is reserved", "update catalog.reservation_lines set price_minor = price_minor + 1"),
    (
        "every reservation belongs to a line of an active order",
        "update catalog.reservations set status = 'reserved', released_at = null where status = 'released'",
    ),
    (
        "every reservation belongs to a line of an active order",
        "set session_replication_role = replica;
         delete from orders.order_items where quantity = 1",
    ),
    (
        "product images are stored, and stored images are used",
        "update catalog.stored_images set delete_after = now() where delete_after is null",
    ),
    ("product images are stored, and stored images are used", "delete from catalog.product_images"),
    (
        "returned units match returns and movements",
        "update catalog.reservation_lines set returned = 1 where quantity = 2",
    ),
    (
        "returned units match returns and movements",
        "insert into catalog.stock_movements (product_id, delta, reason) select id, 1, 'returned' from catalog.products",
    ),
    // Orders.
    ("order totals equal the sum of their lines", "update orders.orders set total_minor = total_minor + 1 where status = 'paid'"),
    (
        "order totals equal the sum of their lines",
        "alter table orders.order_items drop constraint shipped_units_were_ordered;
         update orders.order_items set quantity = 1 where quantity = 2",
    ),
    (
        "order totals equal the sum of their lines",
        "set session_replication_role = replica;
         delete from orders.order_items where quantity = 2",
    ),
    (
        "order totals are equal when they are computed again",
        "update orders.orders set tax_minor = tax_minor + 1 where shipping_minor > 0",
    ),
    (
        "order totals are equal when they are computed again",
        "update orders.orders set pricing = jsonb_set(pricing, '{tax_rates, 0}', '200000') where pricing is not null",
    ),
    (
        "order totals are equal when they are computed again",
        "update orders.orders set pricing = null where pricing is not null",
    ),
    (
        "order totals are equal when they are computed again",
        "update orders.order_items set tax_minor = tax_minor - 1 where tax_minor > 0",
    ),
    (
        "order totals are equal when they are computed again",
        "update orders.order_discounts set amount_minor = amount_minor + 1",
    ),
    ("orders have the address and the contact that they required", "delete from orders.order_contacts where user_id is not null"),
    ("orders have the address and the contact that they required", "delete from orders.order_contacts where user_id is null"),
    (
        "uses of discounts belong to orders that are not cancelled",
        "update orders.discounts set used = used - 1",
    ),
    (
        "uses of discounts belong to orders that are not cancelled",
        "update orders.order_discounts set released_at = null where released_at is not null",
    ),
    (
        "uses of discounts belong to orders that are not cancelled",
        "insert into orders.discounts (code, title, class, rate_ppm, usage_limit, used) values ('X', 'X', 'order', 1, 5, 1)",
    ),
    (
        "uses of discounts belong to orders that are not cancelled",
        "insert into orders.order_discounts (order_id, discount_id, title, class, amount_minor)
         select id, 99, 'X', 'order', 1 from orders.orders where status = 'cancelled'",
    ),
    ("order histories follow the state machine", "update orders.orders set status = 'shipped' where status = 'confirmed'"),
    ("order histories follow the state machine", "delete from orders.order_events where status = 'pending'"),
    (
        "order histories follow the state machine",
        "insert into orders.order_events (order_id, status, created_at)
         select id, 'shipped', now() from orders.orders where status = 'cancelled'",
    ),
    (
        "order histories follow the state machine",
        "update orders.order_events set status = 'shipped' where not status_changed and status = 'pending'",
    ),
    ("changes of orders have their events", "delete from orders.events where kind = 'shipped'"),
    (
        "changes of orders have their events",
        "insert into orders.events (order_id, kind, payment_id, occurred_at)
         select order_id, kind, payment_id, occurred_at from orders.events where kind = 'refunded'",
    ),
    (
        "no delivery was permanently rejected",
        "insert into orders.outbox (order_id, kind, next_attempt_at, rejection)
         select id, 'clear_cart', now(), 'it makes no sense' from orders.orders where status = 'completed'",
    ),
    // Payments.
    (
        "paid orders have exactly one completed payment",
        "update orders.payments set status = 'failed' where status = 'completed'",
    ),
    (
        "paid orders have exactly one completed payment",
        "update orders.payments p set status = 'completed' from orders.orders o
         where o.id = p.order_id and o.status = 'pending' and p.status = 'requires_payment'",
    ),
    (
        "paid orders have exactly one completed payment",
        "update orders.order_events set payment_status = 'processing' where status_changed and status = 'paid'",
    ),
    (
        "cancelled orders have no completed payment",
        "update orders.payments set status = 'completed', closed = false where status = 'refunded'",
    ),
    ("payment amounts equal order totals", "update orders.payments set amount_minor = amount_minor - 1"),
    ("payment amounts equal order totals", "update orders.payments set currency = 'EUR'"),
    ("payment histories follow the state machine", "update orders.payments set status = 'refund_pending' where status = 'completed'"),
    ("payment histories follow the state machine", "delete from orders.order_events where payment_status = 'completed'"),
    ("payment histories follow the state machine", "delete from orders.order_events where not status_changed"),
    (
        "payment histories follow the state machine",
        "insert into orders.order_events (order_id, status, status_changed, payment_status, payment_id, created_at)
         select o.id, o.status, false, 'failed', p.id, now()
         from orders.orders o join orders.payments p on p.order_id = o.id where p.status = 'completed';
         update orders.payments set status = 'failed' where status = 'completed'",
    ),
    (
        "each order has at most one open payment",
        "drop index orders.one_open_payment_per_order;
         insert into orders.payments (id, order_id, attempt, provider, status, amount_minor, currency)
         select gen_random_uuid(), order_id, attempt + 1, provider, status, amount_minor, currency
         from orders.payments where status = 'requires_payment'",
    ),
    (
        "every open payment has a scheduled poll",
        "update orders.payments set next_poll_at = null where status = 'requires_payment'",
    ),
    (
        "every open payment has a scheduled poll",
        "update orders.payments set next_poll_at = now() + interval '1 day' where status = 'requires_payment'",
    ),
    (
        "every open payment has a scheduled poll",
        "update orders.payments set status = 'refund_pending', closed = false where status = 'refunded'",
    ),
    (
        "refunds add up and do not exceed what was paid",
        "update orders.payments set refunds_minor = 1 where status = 'completed'",
    ),
    ("refunds add up and do not exceed what was paid", "update orders.order_items set refunded_minor = 1"),
    ("shipped units match shipments", "update orders.order_items set shipped_quantity = 0 where shipped_quantity > 0"),
    (
        "the catalog knows the units of refunds",
        "insert into catalog.returns (return_id, order_id, product_id, quantity, is_restocked)
         select gen_random_uuid(), order_id, product_id, 1, true from catalog.reservation_lines limit 1",
    ),
    (
        "refunds at the provider are recorded",
        "update orders.payments set refunded_minor = 1, next_poll_at = null where status = 'completed' and provider = 'stripe'",
    ),
    (
        "refunds at the provider are recorded",
        "update orders.payments set refunded_minor = 1, poll_count = 300, next_poll_at = now(), created_at = now() - interval '2 h'
         where status = 'completed' and provider = 'stripe'",
    ),
    (
        "refunds at the provider are recorded",
        "update orders.payments set refunded_minor = 0 where status = 'completed' and refunded_minor > 0",
    ),
    (
        "refunds add up and do not exceed what was paid",
        "update orders.refunds set amount_minor = amount_minor + 1",
    ),
    (
        "refunds add up and do not exceed what was paid",
        "set session_replication_role = replica;
         delete from orders.refund_lines",
    ),
    ("refunds add up and do not exceed what was paid", "update orders.orders set refunded_shipping_minor = refunded_shipping_minor + 1"),
    ("shipped units match shipments", "delete from orders.shipment_lines"),
    ("the catalog knows the units of refunds", "delete from catalog.returns"),
    (
        "every open refund is scheduled",
        "insert into orders.refunds (id, order_id, payment_id, status, amount_minor, tax_minor, currency, is_external,
                                     provider_refund_id)
         select gen_random_uuid(), order_id, id, 'pending', 1, 0, currency, true, 're_1'
         from orders.payments where status = 'completed' limit 1",
    ),
    (
        "every provider event is applied or scheduled",
        "alter table orders.provider_events drop constraint applied_events_have_an_outcome;
         update orders.provider_events set applied_at = null, outcome = null",
    ),
    (
        "applied provider events match their payments",
        "update orders.provider_events set intent_snapshot = jsonb_set(intent_snapshot, '{amount_minor}', '1')",
    ),
    ("applied provider events match their payments", "delete from orders.order_events where payment_status = 'completed'"),
    ("applied provider events match their payments", "update orders.payments set intent_id = intent_id || 'x'"),
    (
        "each cart version has at most one order",
        "drop index orders.one_order_per_cart_version; update orders.orders set cart_version = 1",
    ),
    ("idempotency keys belong to the order's user", "update orders.idempotency_keys set user_id = gen_random_uuid()"),
    ("order owners exist", "update orders.orders set user_id = gen_random_uuid() where guest_id is null"),
    // Cart.
    (
        "cart lines are within limits and refer to products",
        "alter table cart.cart_items drop constraint quantity_in_bounds;
         update cart.cart_items set quantity = 10000 where quantity = 1",
    ),
    (
        "cart lines are within limits and refer to products",
        "insert into cart.cart_items (cart_id, product_id, quantity, quoted_price_minor, currency)
         select id, 999, 1, 0, 'USD' from cart.carts limit 1",
    ),
    ("cart owners exist", "update cart.carts set user_id = gen_random_uuid() where user_id is not null"),
    ("cart checkouts belong to orders of their user", "update cart.checkouts set order_id = gen_random_uuid()"),
    ("ordered items were removed from the cart", "delete from cart.checkouts"),
    // Identity.
    (
        "emails and usernames are unique",
        "alter table identity.users drop constraint one_user_per_email;
         update identity.users set email_normalized = 'a@b', email = 'a@b'",
    ),
    ("avatars are stored, and stored avatars are used", "update identity.stored_images set delete_after = now() where delete_after is null"),
    ("avatars are stored, and stored avatars are used", "update identity.users set avatar_image_key = null"),
    (
        "mails about accounts are sent or rejected within 48 hours",
        "insert into identity.mails (id, kind, dedupe_key, created_at)
         values (gen_random_uuid(), 'password_reset', 'unsent', now() - interval '49 h')",
    ),
    (
        "mails about orders are sent or rejected within 48 hours",
        "insert into orders.mails (id, kind, dedupe_key, created_at)
         values (gen_random_uuid(), 'order_shipped', 'unsent', now() - interval '49 h')",
    ),
    ("disabled and deleted users have no active session", "update identity.users set disabled = true where role = 'user'"),
    ("at least one admin can sign in", "update identity.users set role = 'user'"),
    (
        "at most one key signs access tokens",
        "drop index identity.one_current_signing_key;
         insert into identity.signing_keys
         select (jsonb_populate_record(k, '{\"kid\": \"another\"}')).* from identity.signing_keys k",
    ),
    // The audit logs. Their triggers reject all of this, but not from an owner who disables them.
    (
        "the audit log of identity is unchanged",
        "set session_replication_role = replica;
         delete from identity.audit_events where id = (select id from identity.audit_events order by id limit 1)",
    ),
    (
        "the audit log of catalog is unchanged",
        "set session_replication_role = replica;
         delete from catalog.audit_events where action = 'product.updated'",
    ),
    (
        "the audit log of order is unchanged",
        "set session_replication_role = replica;
         update orders.audit_events set details = '{}' where action = 'order.status_changed'",
    ),
    (
        "the audit log of catalog is unchanged",
        "set session_replication_role = replica;
         update catalog.audit_events set actor_kind = 'system', actor = null",
    ),
    (
        "the audit log of catalog is unchanged",
        "set session_replication_role = replica;
         insert into catalog.audit_events
         select (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid()))).* from catalog.audit_events e",
    ),
    (
        "the audit log of identity is unchanged",
        "set session_replication_role = replica;
         delete from identity.audit_segments where number = 1",
    ),
    (
        "the audit log of catalog is unchanged",
        "set session_replication_role = replica;
         update catalog.audit_segments set event_ids = event_ids[2:], event_hashes = event_hashes[2:]",
    ),
    (
        "the audit log of catalog is unchanged",
        "update catalog.audit_pseudonyms set value = gen_random_uuid()::text, user_id = gen_random_uuid()",
    ),
    (
        "the audit log of order is unchanged",
        "update orders.audit_pseudonyms set value = null, salt = null, user_id = null, erased_in = 'ffffffff-ffff-7fff-bfff-ffffffffffff'",
    ),
    (
        "the audit log of order is unchanged",
        "select orders.erase_audit_pseudonyms(user_id, '00000000-0000-0000-0000-000000000000') from orders.audit_pseudonyms;
         update orders.audit_pseudonyms set erased_in = erased_in",
    ),
    ("the audit log of order is unchanged", "delete from orders.audit_pseudonyms"),
];
