-- An attempt to order, from its first moment: `placing`, then an order (`pending` and on) or `rejected`.
create table orders.orders (
    id                   uuid primary key,  -- UUIDv7
    user_id              uuid not null,     -- identity's; no foreign keys across schemas
    cart_version         bigint not null,   -- of the cart it was made from
    status               text not null,
    expected_total_minor bigint,            -- the total its shopper insists on
    total_minor          bigint,
    currency             text,
    refusal              jsonb,             -- why it was rejected: enough to say it again
    lease_until          timestamptz,       -- while placing: until then somebody is at it
    recover_at           timestamptz,       -- while placing: when the loop takes it over
    attempts             integer not null default 0,  -- how often somebody else took it over
    created_at           timestamptz not null default now(),
    placed_at            timestamptz,
    updated_at           timestamptz not null default now(),
    constraint orders_status_known check (status in (
        'placing', 'rejected', 'pending', 'confirmed', 'paid', 'shipped', 'completed', 'cancelled'
    )),
    constraint orders_total_not_negative check (total_minor >= 0),
    constraint orders_currency_iso check (currency ~ '^[A-Z]{3}$'),
    constraint placed_orders_are_priced check (
        num_nonnulls(total_minor, currency, placed_at)
        = case when status in ('placing', 'rejected') then 0 else 3 end
    ),
    constraint rejected_orders_say_why check ((status = 'rejected') = (refusal is not null)),
    constraint placing_orders_are_driven check (
        num_nonnulls(lease_until, recover_at) = case when status = 'placing' then 2 else 0 end
    )
);

-- A cart as it stood gives one order; a rejected attempt leaves it free.
create unique index one_order_per_cart_version on orders.orders (user_id, cart_version) where status <> 'rejected';
create unique index one_placing_order_per_user on orders.orders (user_id) where status = 'placing';
create index orders_to_recover on orders.orders (recover_at) where status = 'placing';
create index orders_by_user on orders.orders (user_id, placed_at desc, id desc) where placed_at is not null;
create index orders_by_time on orders.orders (placed_at desc, id desc) where placed_at is not null;
create index orders_by_status on orders.orders (status, placed_at desc, id desc) where placed_at is not null;

-- A user's latest attempt. The next one begins only from the one it was seen to follow, so that one user's attempts
-- come one after the other, each from a cart that the one before has left.
create table orders.checkouts (
    user_id  uuid primary key,
    order_id uuid not null references orders.orders (id)
);

create table orders.order_items (
    order_id         uuid not null references orders.orders (id),
    product_id       integer not null,  -- catalog's
    quantity         integer not null,
    seen_price_minor bigint not null,   -- what the cart showed
    name             text,              -- name and price of the moment of the order, once it is placed
    price_minor      bigint,
    primary key (order_id, product_id),
    constraint order_items_quantity_positive check (quantity > 0),
    constraint order_items_price_not_negative check (price_minor >= 0),
    constraint order_items_priced_whole check ((name is null) = (price_minor is null))
);

-- Every move of an order; its first is `pending`. No state is entered twice.
create table orders.order_events (
    id       bigint generated always as identity primary key,
    order_id uuid not null references orders.orders (id),
    status   text not null,
    actor    uuid,  -- who moved it; null where nobody asked
    at       timestamptz not null,
    constraint order_events_status_known check (status in (
        'pending', 'confirmed', 'paid', 'shipped', 'completed', 'cancelled'
    )),
    constraint one_event_per_status unique (order_id, status)
);

create table orders.payments (
    order_id     uuid primary key references orders.orders (id),  -- an order is paid once
    provider     text not null,
    status       text not null,
    amount_minor bigint not null,
    currency     text not null,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    constraint payments_provider_known check (provider in ('offline')),
    constraint payments_status_known check (status in ('completed', 'refunded')),
    constraint payments_amount_not_negative check (amount_minor >= 0),
    constraint payments_currency_iso check (currency ~ '^[A-Z]{3}$')
);

-- What a client's key stands for: the request it came with, and the attempt it led to.
create table orders.idempotency_keys (
    user_id              uuid not null,
    key                  text not null,
    expected_total_minor bigint,  -- the whole of a request, beside its key
    order_id             uuid not null references orders.orders (id),
    created_at           timestamptz not null default now(),
    constraint one_order_per_key primary key (user_id, key)
);

-- What neighbours are still to be told; a row goes once they were.
create table orders.outbox (
    order_id        uuid not null references orders.orders (id),
    kind            text not null,
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null,
    created_at      timestamptz not null default now(),
    primary key (order_id, kind),
    constraint outbox_kind_known check (kind in ('clear_cart', 'release_stock'))
);
create index outbox_due on orders.outbox (next_attempt_at);
