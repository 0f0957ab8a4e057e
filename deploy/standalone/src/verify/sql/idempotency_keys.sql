-- A key leads its user to an order of their own.
select format('key %L of user %s: leads to order %s of user %s', k.key, k.user_id, o.id, o.user_id)
from orders.idempotency_keys k
join orders.orders o on o.id = k.order_id
where o.user_id <> k.user_id
