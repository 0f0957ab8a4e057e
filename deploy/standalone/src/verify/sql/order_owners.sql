-- The user of an order exists, unless it is that of a guest; deleted users are kept as tombstones.
select format('order %s: there is no user %s', o.id, o.user_id)
from orders.orders o
where o.user_id is distinct from o.guest_id
  and not exists (select from identity.users u where u.id = o.user_id)
