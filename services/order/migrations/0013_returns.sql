-- Refunds in parts, and shipments.

-- The sum of the refunds of a payment below that have not failed. A refund of a whole payment, which cancels its order, is not
-- among them: it is a status of the payment.
alter table orders.payments add column refunds_minor bigint not null default 0;
alter table orders.payments add constraint refunds_do_not_exceed_the_payment
    check (refunds_minor between 0 and amount_minor) not valid;

-- What happened to the units of a line, and to what was paid for it: the sums of the lines of refunds and shipments below.
alter table orders.order_items
    add column shipped_quantity integer not null default 0,
    add column returned_quantity integer not null default 0,   -- by refunds, whether the units were shipped or not
    add column unshipped_quantity integer not null default 0,  -- of the returned: units that were not shipped, and will not be
    add column refunded_minor bigint not null default 0;
alter table orders.order_items
    add constraint returned_units_were_ordered
        check (unshipped_quantity >= 0 and returned_quantity between unshipped_quantity and quantity) not valid,
    add constraint shipped_units_were_ordered
        check (shipped_quantity between 0 and quantity - unshipped_quantity) not valid,
    add constraint line_refund_is_not_negative check (refunded_minor >= 0) not valid;
alter table orders.orders
    add column refunded_shipping_minor bigint not null default 0,
    -- In this row, so that a transaction which has waited for its lock reads it as it is now.
    add column has_shipments boolean not null default false;
alter table orders.orders add constraint shipping_refund_is_not_negative check (refunded_shipping_minor >= 0) not valid;

-- Refunds of parts of a payment. The amounts are computed when a refund is created, and do not change.
create table orders.refunds (
    id                 uuid primary key,           -- UUIDv7; the provider's idempotency key, too
    order_id           uuid not null references orders.orders (id),
    payment_id         uuid not null references orders.payments (id),
    status             text not null,
    amount_minor       bigint not null,            -- with taxes
    tax_minor          bigint not null,            -- the part of the amount that is tax
    shipping_minor     bigint not null default 0,  -- the part of the amount that was paid for shipping
    currency           text not null,
    restock            boolean not null default false,
    reason             text,                       -- as the admin wrote it
    is_external        boolean not null default false,  -- made at the provider, not by this service
    provider_refund_id text,
    failure            text,                       -- why it failed
    key_number         integer not null default 0, -- keys that the provider cannot use any more
    poll_count         integer not null default 0,
    next_attempt_at    timestamptz,                -- null: there is nothing to do
    accepted_at        timestamptz,                -- by the provider: from then on its units stay returned
    stock_returned_at  timestamptz,                -- when the catalog was notified of its units
    idempotency_key    text,
    request            jsonb,                      -- all that the request consisted of, beside its key
    created_by         uuid,                       -- the admin or the API key; null if it is external
    traceparent        text,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    constraint refund_status_is_known check (status in ('pending', 'succeeded', 'failed')),
    constraint refund_amounts_are_in_range check (
        amount_minor >= 0 and tax_minor between 0 and amount_minor and shipping_minor between 0 and amount_minor
    ),
    constraint refund_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
    constraint failed_refunds_have_a_reason check ((status = 'failed') = (failure is not null)),
    constraint successful_refunds_were_accepted check (status <> 'succeeded' or accepted_at is not null),
    constraint refunds_are_requested_or_external check (
        num_nonnulls(idempotency_key, request, created_by) = case when is_external then 0 else 3 end
    ),
    constraint external_refunds_have_the_id_of_the_provider check (not is_external or provider_refund_id is not null)
);
create index refunds_by_order on orders.refunds (order_id, id);
create index refunds_by_payment on orders.refunds (payment_id);
create index refunds_to_process on orders.refunds (next_attempt_at) where next_attempt_at is not null;
create unique index one_refund_per_key on orders.refunds (created_by, idempotency_key) where idempotency_key is not null;
create unique index one_refund_per_provider_refund on orders.refunds (payment_id, provider_refund_id)
    where provider_refund_id is not null;

create table orders.refund_lines (
    refund_id          uuid not null references orders.refunds (id),
    order_id           uuid not null,
    product_id         integer not null,
    quantity           integer not null,  -- returned units; 0 if only money is refunded
    unshipped_quantity integer not null,  -- of them: units that were not shipped, and will not be
    amount_minor       bigint not null,
    tax_minor          bigint not null,
    primary key (refund_id, product_id),
    constraint refund_lines_belong_to_a_line foreign key (order_id, product_id) references orders.order_items,
    constraint refunded_quantities_are_in_range check (quantity >= 0 and unshipped_quantity between 0 and quantity),
    constraint refunded_amounts_are_in_range check (amount_minor >= 0 and tax_minor between 0 and amount_minor),
    constraint refund_lines_return_something check (quantity > 0 or amount_minor > 0)
);
create index refund_lines_by_line on orders.refund_lines (order_id, product_id);

-- Parcels of an order. An order without any was shipped by an earlier version, as a whole.
create table orders.shipments (
    id              uuid primary key,  -- UUIDv7
    order_id        uuid not null references orders.orders (id),
    carrier         text,
    tracking_number text,
    tracking_url    text,
    idempotency_key text,
    request         jsonb,             -- all that the request consisted of, beside its key
    created_by      uuid not null,     -- the admin or the API key
    created_at      timestamptz not null default now(),
    constraint shipments_have_key_and_request_together check ((idempotency_key is null) = (request is null))
);
create index shipments_by_order on orders.shipments (order_id, id);
create unique index one_shipment_per_key on orders.shipments (created_by, idempotency_key) where idempotency_key is not null;

create table orders.shipment_lines (
    shipment_id uuid not null references orders.shipments (id),
    order_id    uuid not null,
    product_id  integer not null,
    quantity    integer not null,
    primary key (shipment_id, product_id),
    constraint shipment_lines_belong_to_a_line foreign key (order_id, product_id) references orders.order_items,
    constraint shipped_quantities_are_positive check (quantity > 0)
);
create index shipment_lines_by_line on orders.shipment_lines (order_id, product_id);

-- Cancelling an order releases the stock of all its units, also of those that were shipped. Earlier versions know no shipments.
create function orders.reject_cancellation_after_shipment() returns trigger language plpgsql as $$
begin
    raise exception 'order % was shipped in part', new.id
        using errcode = 'check_violation', constraint = 'cancelled_orders_have_no_shipment';
end
$$;
create trigger shipped_orders_are_not_cancelled before update of status on orders.orders for each row
    when (new.status = 'cancelled' and old.status <> 'cancelled' and old.has_shipments)
    execute function orders.reject_cancellation_after_shipment();
