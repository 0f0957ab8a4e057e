-- Most rows of the history lead to no event: a condition of the trigger is cheaper than a function that reads them all.
create or replace function orders.record_events() returns trigger language plpgsql as $$
begin
    -- The row of the refund of a payment that the order does not need is written by the same statement.
    if new.payment_status = 'completed' and not exists (
        select from orders.order_events refund
        where refund.payment_id = new.payment_id and refund.payment_status = 'refund_pending'
    ) then
        insert into orders.events (order_id, kind, payment_id, occurred_at)
        values (new.order_id, 'paid', new.payment_id, new.created_at);
    end if;
    if new.status_changed and new.status in ('pending', 'shipped', 'cancelled') then
        insert into orders.events (order_id, kind, occurred_at)
        values (new.order_id, case new.status when 'pending' then 'placed' else new.status end, new.created_at);
    end if;
    if new.payment_status = 'refunded' then
        insert into orders.events (order_id, kind, payment_id, occurred_at)
        values (new.order_id, 'refunded', new.payment_id, new.created_at);
    end if;
    return null;
end
$$;
create or replace trigger events_are_recorded after insert on orders.order_events for each row
    when (new.status_changed and new.status in ('pending', 'shipped', 'cancelled') or new.payment_status in ('completed', 'refunded'))
    execute function orders.record_events();
