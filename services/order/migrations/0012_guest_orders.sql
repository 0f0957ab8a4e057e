-- Orders of guests. `user_id` names the customer of a checkout: the user, or the guest until the order is claimed. So all that
-- concerns the checkouts of a customer, the indexes included, works for guests, and an earlier version can read the rows.

alter table orders.orders
    -- The guest who has placed the order: the id of a guest's cart. Stays when the order is claimed.
    add column guest_id uuid,
    -- SHA-256 of the token that opens the order of a guest, until it is claimed.
    add column access_key_hash bytea
        constraint access_key_hash_is_sha256 check (octet_length(access_key_hash) = 32),
    add constraint orders_of_guests_have_a_key check (
        (guest_id is not null and guest_id = user_id) = (access_key_hash is not null)
    );

-- The user into whose cart that of a guest was merged, set by the first checkout of that cart. From then on the guest's row names
-- a checkout of the user: a guest's checkout that was to start concurrently does not find the row that it expects.
alter table orders.latest_checkouts add column merged_into uuid;
create index latest_checkouts_merged on orders.latest_checkouts (merged_into) where merged_into is not null;

-- A guest has no account: the mail goes to the contact of the order.
create or replace function orders.record_mails() returns trigger language plpgsql as $$
begin
    insert into orders.mails (id, kind, dedupe_key, user_id, params)
    select gen_random_uuid(), event.kind, event.kind || ':' || event.about, nullif(o.user_id, o.guest_id),
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
