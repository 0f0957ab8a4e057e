-- For information: what neighbours are still to be told.
select format('order %s: %s since %s, tried %s times', order_id, kind, created_at, attempts)
from orders.outbox
where rejection is null
