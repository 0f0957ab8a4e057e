-- A payment is of its order's whole total, and of an order that was placed.
select format('payment %s: %s %s, its order %s comes to %s %s', p.id, p.amount_minor, p.currency, o.id,
    coalesce(o.total_minor::text, 'nothing'), coalesce(o.currency, 'yet'))
from orders.payments p
join orders.orders o on o.id = p.order_id
where (p.amount_minor, p.currency) is distinct from (o.total_minor, o.currency)
