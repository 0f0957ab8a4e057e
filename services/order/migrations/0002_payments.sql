-- An order may be paid for in several attempts, by a provider that has to be asked, and told of later.

alter table orders.payments
    drop constraint payments_pkey,
    drop constraint payments_provider_known,
    drop constraint payments_status_known,
    add column id            uuid not null default gen_random_uuid(),
    add column attempt       integer not null default 1,  -- of its order, from 1
    add column intent_id     text,                        -- the provider's name for it, once it is known
    add column client_secret text,                        -- lets the shopper pay it
    add column closed        boolean not null default false,  -- no money can come of it any more
    add column refund_id     text,                        -- of the refund under way
    add column refunds       integer not null default 0,  -- how many refunds have failed
    add column creating_until timestamptz,                -- until then somebody is asking for the intent
    add column looks         integer not null default 0,  -- since anything changed
    add column next_look_at  timestamptz,                 -- when to ask the provider; null: nothing to ask
    add constraint payments_pkey primary key (id),
    add constraint payments_provider_known check (provider in ('offline', 'stripe')),
    add constraint payments_status_known check (status in (
        'requires_payment', 'processing', 'failed', 'completed', 'refund_pending', 'refunded'
    )),
    add constraint one_payment_per_attempt unique (order_id, attempt),
    add constraint one_payment_per_intent unique (provider, intent_id),
    add constraint attempts_count_from_1 check (attempt > 0),
    add constraint clients_pay_what_has_an_intent check (client_secret is null or intent_id is not null),
    add constraint closed_payments_are_over check (not closed or status in ('failed', 'refunded'));
alter table orders.payments alter column id drop default;

-- What an order has at most one of.
create unique index one_open_payment_per_order on orders.payments (order_id)
    where status in ('requires_payment', 'processing');
create unique index one_completed_payment_per_order on orders.payments (order_id) where status = 'completed';
create index payments_to_look_at on orders.payments (next_look_at) where next_look_at is not null;

-- The history of an order has the steps of its payments, too. Only its own moves are told apart by status.
alter table orders.order_events
    drop constraint one_event_per_status,
    add column moved      boolean not null default true,  -- whether the order came to this status with it
    add column payment    text,                           -- what its payment came to with it
    add column payment_id uuid references orders.payments (id),
    add constraint order_events_payment_known check (payment in (
        'requires_payment', 'processing', 'failed', 'completed', 'refund_pending', 'refunded'
    )),
    add constraint events_name_the_payment check ((payment is null) = (payment_id is null)),
    add constraint events_tell_something check (moved or payment is not null);
create index order_events_by_order on orders.order_events (order_id, id);
create unique index one_move_per_status on orders.order_events (order_id, status) where moved;
create unique index money_moves_once_each_way on orders.order_events (payment_id, payment)
    where payment in ('completed', 'refund_pending', 'refunded');

-- What providers have told; kept, so that nothing is applied twice.
create table orders.provider_events (
    provider        text not null,
    id              text not null,   -- the provider's
    kind            text not null,   -- the provider's word for it
    ours            boolean not null,  -- whether it is of our account and mode
    sighting        jsonb not null,  -- what it says of an intent
    received_at     timestamptz not null default now(),
    attempts        integer not null default 0,
    next_attempt_at timestamptz,     -- until it is applied
    applied_at      timestamptz,
    outcome         text,            -- what came of it
    constraint provider_events_pkey primary key (provider, id),
    constraint provider_events_outcome_known check (outcome in (
        'applied', 'unchanged', 'unknown_payment',
        'wrong_account', 'wrong_order', 'wrong_intent', 'wrong_amount', 'wrong_currency'
    )),
    constraint applied_events_say_what_came_of_them check (
        num_nonnulls(applied_at, outcome) = case when next_attempt_at is null then 2 else 0 end
    )
);
create index provider_events_to_apply on orders.provider_events (next_attempt_at) where next_attempt_at is not null;

-- What was paid before payments had steps of their own.
update orders.payments set closed = true where status = 'refunded';
update orders.order_events e set payment = 'completed', payment_id = p.id
from orders.payments p
where p.order_id = e.order_id and e.status = 'paid';
update orders.order_events e set payment = 'refunded', payment_id = p.id
from orders.payments p
where p.order_id = e.order_id and e.status = 'cancelled' and p.status = 'refunded';
