-- A shopper cannot pay an order twice: at most one of its payments is open.
select format('order %s: open are payments %s', order_id, string_agg(id::text, ', ' order by attempt))
from orders.payments
where status in ('requires_payment', 'processing')
group by order_id
having count(*) > 1
