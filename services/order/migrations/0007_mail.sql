-- The outbox of mails. A trigger on the history of orders writes them, in the statement that makes the change.

-- bodega_mail reads and writes this table; identity has one of the same shape.
create table orders.mails (
    id              uuid primary key,                     -- of the message too
    kind            text not null,
    dedupe_key      text not null,                        -- the same mail is written once
    user_id         uuid,                                 -- the recipient; null for the merchant
    email           text,
    params          jsonb not null default '{}',
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    created_at      timestamptz not null default now(),   -- or when an admin sent it again
    sent_at         timestamptz,
    discarded       boolean not null default false,       -- not sent: no recipient, or no need for it
    rejection       text,                                 -- why it was given up
    constraint one_mail_per_dedupe_key unique (dedupe_key),
    constraint discarded_mails_are_finished check (sent_at is not null or not discarded)
);
create index mails_to_send on orders.mails (next_attempt_at) where sent_at is null and rejection is null;
create index mails_rejected on orders.mails (created_at) where sent_at is null and rejection is not null;
create index mails_by_created_at on orders.mails (created_at, id);

create function orders.record_mails() returns trigger language plpgsql as $$
begin
    insert into orders.mails (id, kind, dedupe_key, user_id, params)
    select gen_random_uuid(), event.kind, event.kind || ':' || event.about, o.user_id,
           jsonb_build_object('order_id', new.order_id, 'payment_id', new.payment_id)
    from orders.orders o
    cross join lateral (values
        ('order_placed', new.order_id, new.status_changed and new.status = 'pending'),
        -- A payment that the order does not need is refunded by the same statement; the customer hears of the refund alone.
        ('order_paid', new.payment_id, new.payment_status = 'completed' and not exists (
            select from orders.order_events refund
            where refund.payment_id = new.payment_id and refund.payment_status = 'refund_pending'
        )),
        ('order_shipped', new.order_id, new.status_changed and new.status = 'shipped'),
        ('order_cancelled', new.order_id, new.status_changed and new.status = 'cancelled'),
        ('payment_refunded', new.payment_id, new.payment_status = 'refunded')
    ) as event (kind, about, occurred)
    where o.id = new.order_id and event.occurred
    on conflict on constraint one_mail_per_dedupe_key do nothing;
    return null;
end
$$;
create trigger mails_are_recorded after insert on orders.order_events for each row
    when (new.status_changed and new.status in ('pending', 'shipped', 'cancelled') or new.payment_status in ('completed', 'refunded'))
    execute function orders.record_mails();
