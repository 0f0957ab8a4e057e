-- What a neighbour refused to be told, or is to be told later than anything is left alone for, is due now: the order
-- service tells it. Telling twice does no harm.
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
returning format('handed %s of order %s to the order service again%s', b.kind, b.order_id,
    case when stuck.rejection is null then '' else format(': it was refused, %s', stuck.rejection) end)
