-- Schedules a poll of payments that have none. The order service polls their provider. `poll_count` is kept, because it
-- distinguishes newer results from older ones.
with unscheduled as (
    select p.id
    from orders.payments p
    join orders.orders o on o.id = p.order_id
    where (p.next_poll_at is null or p.next_poll_at > now() + interval '1 h')
      and (p.status in ('processing', 'refund_pending')
        or p.status in ('requires_payment', 'failed') and not p.closed
            and (p.provider <> 'offline' and p.intent_id is not null or o.status in ('completed', 'cancelled')))
      and p.updated_at < now() - interval '1 min'
      and (p.intent_lease_until is null or p.intent_lease_until < now())
    order by p.id
    limit 100
    for update of p skip locked
)
update orders.payments p
set next_poll_at = now()
from unscheduled
where p.id = unscheduled.id
returning format('rescheduled payment %s of order %s: is %s at %s', p.id, p.order_id, p.status, p.provider)
