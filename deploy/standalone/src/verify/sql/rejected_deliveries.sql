-- A delivery that another service rejected permanently is not retried without a decision of an operator.
select format('order %s: %s was rejected, created at %s: %s', order_id, kind, created_at, rejection)
from orders.outbox
where rejection is not null
