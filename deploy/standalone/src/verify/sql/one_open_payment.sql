-- An order has at most one open payment, so that it cannot be paid twice.
select format('order %s: open payments %s', order_id, string_agg(id::text, ', ' order by attempt))
from orders.payments
where status in ('requires_payment', 'processing')
group by order_id
having count(*) > 1
