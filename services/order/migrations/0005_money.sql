-- Cancelled payments, refunded amounts, payments that a person has to review, and the number of pending orders of a user.

-- Older versions read `status`, and know a cancelled payment as `failed`. It is cancelled if this column is true, too.
alter table orders.payments add column cancelled boolean not null default false;
alter table orders.order_events add column payment_cancelled boolean not null default false;

-- The amount that the provider reports as refunded. A payment in the status `refunded` is refunded in full, whatever it is.
alter table orders.payments add column refunded_minor bigint not null default 0
    constraint refunded_amount_is_not_negative check (refunded_minor >= 0);

-- Reviews of payments by a person. A payment is neither polled nor changed by the system while its review is open.
create table orders.payment_reviews (
    id             bigint generated always as identity primary key,
    payment_id     uuid not null,   -- no foreign key: the payment may be deleted with its order
    order_id       uuid not null,   -- as payment_id
    provider       text not null,
    intent_id      text,
    reason         text not null,
    amount_minor   bigint,          -- that the provider reports, if it is the reason
    currency       text,            -- as amount_minor
    created_at     timestamptz not null default now(),
    resolution     text,            -- what the person decided
    note           text,
    resolved_by    uuid,            -- identity's; no foreign keys across schemas
    resolved_at    timestamptz,
    constraint review_reason_is_known check (reason in (
        'wrong_amount', 'wrong_currency', 'wrong_order', 'refund_failed', 'refunded_elsewhere', 'order_missing', 'unsettled'
    )),
    constraint review_resolution_is_known check (resolution in ('completed', 'refunded', 'cancelled', 'retry')),
    constraint resolved_reviews_have_a_resolution check (
        num_nonnulls(resolution, resolved_by, resolved_at) in (0, 3)
    )
);
create unique index one_open_review_per_payment on orders.payment_reviews (payment_id) where resolved_at is null;
create index open_reviews_by_order on orders.payment_reviews (order_id) where resolved_at is null;
create index reviews_by_payment on orders.payment_reviews (payment_id, id);

create index pending_orders_by_user on orders.orders (user_id) where status = 'pending';
