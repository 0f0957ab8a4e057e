-- What a neighbour has refused for good is not told again before a person has looked.
select format('order %s: %s is refused since %s: %s', order_id, kind, created_at, rejection)
from orders.outbox
where rejection is not null
