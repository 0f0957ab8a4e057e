-- The items of an order were removed from the cart, or the delivery is pending. Carts keep checkouts for 90 days.
select format('order %s: is %s, but its cart was never cleared', o.id, o.status)
from orders.orders o
where o.placed_at > now() - interval '89 days'
  and not exists (select from cart.checkouts c where c.order_id = o.id)
  and not exists (select from orders.outbox b where b.order_id = o.id and b.kind = 'clear_cart')
