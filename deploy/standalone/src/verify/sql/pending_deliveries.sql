-- For information: deliveries to other services that are pending.
select format('order %s: %s pending since %s, %s attempts', order_id, kind, created_at, attempts)
from orders.outbox
where rejection is null
