-- A cart belongs to a guest or to an existing user.
select format('cart %s: there is no user %s', c.id, c.user_id)
from cart.carts c
where c.user_id is not null
  and not exists (select from identity.users u where u.id = c.user_id)
