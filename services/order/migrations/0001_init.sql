-- Every checkout, from its start: `placing`, then an order (`pending` and later) or `rejected`.
create table orders.orders (
    id                   uuid primary key,  -- UUIDv7
    user_id              uuid not null,     -- identity's; no foreign keys across schemas
    cart_version         bigint not null,   -- of the cart that was checked out
    status               text not null,
    stage                text not null generated always as (
        case when status in ('placing', 'rejected') then status else 'placed' end
    ) stored,
    expected_total_minor bigint,            -- the total that the client requires, if any
    total_minor          bigint,
    currency             text,
    rejection            jsonb,             -- why it was rejected; repeated requests return the same
    lease_until          timestamptz,       -- while placing: until then one process works on it
    recover_at           timestamptz,       -- while placing: when the recovery worker claims it
    attempts             integer not null default 0,  -- how often it was claimed after its first lease
    created_at           timestamptz not null default now(),
    placed_at            timestamptz,
    updated_at           timestamptz not null default now(),
    constraint order_status_is_known check (status in (
        'placing', 'rejected', 'pending', 'confirmed', 'paid', 'shipped', 'completed', 'cancelled'
    )),
    constraint order_total_is_not_negative check (total_minor >= 0),
    constraint order_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
    constraint placed_orders_are_priced check (
        num_nonnulls(total_minor, currency, placed_at)
        = case when status in ('placing', 'rejected') then 0 else 3 end
    ),
    constraint rejected_orders_have_a_rejection check ((status = 'rejected') = (rejection is not null)),
    constraint placing_orders_have_a_lease check (
        num_nonnulls(lease_until, recover_at) = case when status = 'placing' then 2 else 0 end
    )
);

-- One version of a cart gives one order; a rejected checkout does not count.
create unique index one_order_per_cart_version on orders.orders (user_id, cart_version) where status <> 'rejected';
create unique index one_placing_order_per_user on orders.orders (user_id) where status = 'placing';
create index orders_to_recover on orders.orders (recover_at) where status = 'placing';
create index orders_by_user on orders.orders (user_id, placed_at desc, id desc) where placed_at is not null;
create index orders_by_placed_at on orders.orders (placed_at desc, id desc) where placed_at is not null;
create index orders_by_status on orders.orders (status, placed_at desc, id desc) where placed_at is not null;

-- The latest checkout of each user. A checkout starts only if this row still names the one that was read before the cart
-- was: so the checkouts of a user follow one another, each from a cart without the lines of the one before.
create table orders.latest_checkouts (
    user_id  uuid primary key,
    order_id uuid not null references orders.orders (id)
);

create table orders.order_items (
    order_id           uuid not null references orders.orders (id),
    product_id         integer not null,  -- catalog's
    quantity           integer not null,
    quoted_price_minor bigint not null,   -- the price that the cart showed
    name               text,              -- name and price when the order was placed; null before
    price_minor        bigint,
    primary key (order_id, product_id),
    constraint item_quantity_is_positive check (quantity > 0),
    constraint item_price_is_not_negative check (price_minor >= 0),
    constraint items_have_name_and_price_together check ((name is null) = (price_minor is null))
);

-- An order has one payment per attempt to pay it.
create table orders.payments (
    id                 uuid primary key,  -- UUIDv7
    order_id           uuid not null references orders.orders (id),
    attempt            integer not null default 1,
    provider           text not null,
    status             text not null,
    amount_minor       bigint not null,
    currency           text not null,
    intent_id          text,                           -- the provider's, once it is known
    client_secret      text,                           -- allows a client to pay the intent
    intent_lease_until timestamptz,                    -- until then one process creates the intent
    closed             boolean not null default false, -- no money can arrive any more
    refund_id          text,                           -- of the refund under way
    failed_refunds     integer not null default 0,
    poll_count         integer not null default 0,     -- polls since the last change
    next_poll_at       timestamptz,                    -- null: nothing to ask the provider for
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    constraint payment_provider_is_a_name check (provider ~ '^[a-z][a-z0-9_]*$'),
    constraint payment_status_is_known check (status in (
        'requires_payment', 'processing', 'failed', 'completed', 'refund_pending', 'refunded'
    )),
    constraint payment_amount_is_not_negative check (amount_minor >= 0),
    constraint payment_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
    constraint payment_attempts_start_at_1 check (attempt > 0),
    constraint client_secrets_belong_to_an_intent check (client_secret is null or intent_id is not null),
    constraint closed_payments_are_failed_or_refunded check (not closed or status in ('failed', 'refunded')),
    constraint one_payment_per_attempt unique (order_id, attempt),
    constraint one_payment_per_intent unique (provider, intent_id)
);
create unique index one_open_payment_per_order on orders.payments (order_id)
    where status in ('requires_payment', 'processing');
create unique index one_completed_payment_per_order on orders.payments (order_id) where status = 'completed';
create index payments_to_poll on orders.payments (next_poll_at) where next_poll_at is not null;

-- The history of an order and its payments. An order starts as `pending` and enters no status twice.
create table orders.order_events (
    id             bigint generated always as identity primary key,
    order_id       uuid not null references orders.orders (id),
    status         text not null,                  -- of the order after the event
    status_changed boolean not null default true,  -- false for events of a payment alone
    payment_id     uuid references orders.payments (id),
    payment_status text,                           -- of the payment after the event
    actor          uuid,                           -- the user who made the change; null for the system
    created_at     timestamptz not null,
    constraint event_status_is_known check (status in (
        'pending', 'confirmed', 'paid', 'shipped', 'completed', 'cancelled'
    )),
    constraint event_payment_status_is_known check (payment_status in (
        'requires_payment', 'processing', 'failed', 'completed', 'refund_pending', 'refunded'
    )),
    constraint events_have_payment_and_status_together check ((payment_id is null) = (payment_status is null)),
    constraint events_change_an_order_or_a_payment check (status_changed or payment_id is not null)
);
create index order_events_by_order on orders.order_events (order_id, id);
create unique index one_event_per_order_status on orders.order_events (order_id, status) where status_changed;
create unique index one_event_per_payment_status on orders.order_events (payment_id, payment_status)
    where payment_status in ('completed', 'refund_pending', 'refunded');

-- The request that a client first sent with a key, and the checkout that it led to.
create table orders.idempotency_keys (
    user_id              uuid not null,
    key                  text not null,
    expected_total_minor bigint,  -- all that a request consists of, beside its key
    order_id             uuid not null references orders.orders (id),
    created_at           timestamptz not null default now(),
    constraint one_order_per_key primary key (user_id, key)
);

-- Calls to other services that follow from an order; a row is deleted once it is delivered.
create table orders.outbox (
    order_id        uuid not null references orders.orders (id),
    kind            text not null,
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null,
    rejection       text,  -- the error of a service that rejected it for good; not retried
    created_at      timestamptz not null default now(),
    primary key (order_id, kind),
    constraint outbox_kind_is_known check (kind in ('clear_cart', 'release_stock'))
);
create index outbox_to_deliver on orders.outbox (next_attempt_at) where rejection is null;

-- Events received from payment providers, by the provider's id: each is applied once.
create table orders.provider_events (
    provider        text not null,
    id              text not null,
    kind            text not null,     -- the provider's event type
    own_account     boolean not null,  -- whether it is of the configured account and mode (test or live)
    intent_snapshot jsonb not null,    -- the payment intent as the event describes it
    received_at     timestamptz not null default now(),
    attempts        integer not null default 0,
    next_attempt_at timestamptz,       -- null once applied
    applied_at      timestamptz,
    outcome         text,
    constraint one_event_per_provider_id primary key (provider, id),
    constraint event_outcome_is_known check (outcome in (
        'applied', 'unchanged', 'unknown_payment',
        'wrong_account', 'wrong_order', 'wrong_intent', 'wrong_amount', 'wrong_currency'
    )),
    constraint applied_events_have_an_outcome check (
        num_nonnulls(applied_at, outcome) = case when next_attempt_at is null then 2 else 0 end
    )
);
create index provider_events_to_apply on orders.provider_events (next_attempt_at) where next_attempt_at is not null;
