-- A cancelled order is refunded, or the refund is pending.
select format('order %s: is cancelled, its payment %s of %s %s is completed', o.id, p.id, p.amount_minor, p.currency)
from orders.orders o
join orders.payments p on p.order_id = o.id
where o.status = 'cancelled'
  and p.status = 'completed'
