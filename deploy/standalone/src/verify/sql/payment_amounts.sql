-- The amount of a payment is the total of its order.
select format('payment %s: %s %s, the total of its order %s is %s %s', p.id, p.amount_minor, p.currency, o.id,
    coalesce(o.total_minor::text, 'unknown'), coalesce(o.currency, ''))
from orders.payments p
join orders.orders o on o.id = p.order_id
where (p.amount_minor, p.currency) is distinct from (o.total_minor, o.currency)
