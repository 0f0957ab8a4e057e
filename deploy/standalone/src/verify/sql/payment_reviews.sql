-- A review belongs to a payment of its order, unless the order does not exist.
select format('review of payment %s: %s', r.payment_id,
    coalesce(format('names order %s, its payment is of order %s', r.order_id, p.order_id), 'its payment is missing'))
from orders.payment_reviews r
left join orders.payments p on p.id = r.payment_id
where p.id is null and r.reason <> 'order_missing'
   or p.order_id <> r.order_id
