-- An idempotency key belongs to an order of the same user.
select format('key %L of user %s: belongs to order %s of user %s', k.key, k.user_id, o.id, o.user_id)
from orders.idempotency_keys k
join orders.orders o on o.id = k.order_id
where coalesce(o.guest_id, o.user_id) <> k.user_id
