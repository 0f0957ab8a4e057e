-- Reschedules deliveries that were rejected, or are scheduled too late. The order service retries them; deliveries are idempotent.
with stuck as (
    select order_id, kind, rejection
    from orders.outbox
    where created_at < now() - interval '1 min'
      and (rejection is not null or next_attempt_at > now() + interval '1 min')
    order by order_id, kind
    limit 100
    for update skip locked
)
update orders.outbox b
set next_attempt_at = now(), attempts = 0, rejection = null
from stuck
where b.order_id = stuck.order_id and b.kind = stuck.kind
returning format('rescheduled %s of order %s%s', b.kind, b.order_id,
    case when stuck.rejection is null then '' else format(': it was rejected, %s', stuck.rejection) end)
