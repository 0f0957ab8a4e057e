-- What was ordered has left the cart, or is about to. The cart forgets that after 90 days.
select format('order %s: is %s, but its cart was never told', o.id, o.status)
from orders.orders o
where o.placed_at > now() - interval '89 days'
  and not exists (select from cart.checkouts c where c.order_id = o.id)
  and not exists (select from orders.outbox b where b.order_id = o.id and b.kind = 'clear_cart')
