-- The user of an order exists; deleted users are kept as tombstones.
select format('order %s: there is no user %s', o.id, o.user_id)
from orders.orders o
where not exists (select from identity.users u where u.id = o.user_id)
