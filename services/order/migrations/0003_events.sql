-- Events for other systems. A trigger on the history of orders writes them, in the statement that makes the change: so no code
-- path can forget them, nor can a version before this one.

-- An event, until some days after it was published. Its payload is read from the order when it is published.
create table orders.events (
    position     bigint generated always as identity primary key,  -- grows with the events of an order
    id           uuid not null default gen_random_uuid(),
    order_id     uuid not null,
    kind         text not null,
    payment_id   uuid,                  -- of `paid` and `refunded`
    occurred_at  timestamptz not null,
    published_at timestamptz,           -- when NATS had stored it
    constraint event_kind_is_known check (kind in ('placed', 'paid', 'shipped', 'cancelled', 'refunded')),
    constraint events_of_payments_have_its_id check ((payment_id is not null) = (kind in ('paid', 'refunded')))
);
create index events_to_publish on orders.events (position) where published_at is null;

-- The replica that publishes. Others take over when its lease has ended.
create table orders.event_publisher (
    is_single   boolean primary key default true,
    holder      uuid,
    lease_until timestamptz not null default '-infinity',
    constraint there_is_one_publisher check (is_single)
);
insert into orders.event_publisher default values;

-- An order is paid when a payment of it is completed, unless the order does not need that payment: then its refund is recorded
-- by the same statement.
create function orders.record_events() returns trigger language plpgsql as $$
begin
    insert into orders.events (order_id, kind, payment_id, occurred_at)
    select h.order_id, event.kind, case when event.kind in ('paid', 'refunded') then h.payment_id end, h.created_at
    from new_history h
    cross join lateral (values
        (1, 'placed', h.status_changed and h.status = 'pending'),
        (2, 'paid', h.payment_status = 'completed' and not exists (
            select from new_history refund
            where refund.payment_id = h.payment_id and refund.payment_status = 'refund_pending'
        )),
        (3, 'shipped', h.status_changed and h.status = 'shipped'),
        (4, 'cancelled', h.status_changed and h.status = 'cancelled'),
        (5, 'refunded', h.payment_status = 'refunded')
    ) as event (ordinal, kind, occurred)
    where event.occurred
    order by h.id, event.ordinal;
    return null;
end
$$;
create trigger events_are_recorded after insert on orders.order_events
    referencing new table as new_history for each statement execute function orders.record_events();
