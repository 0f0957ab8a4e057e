-- An order has lines, and its total is their sum.
select format('order %s: total %s %s, sum of its lines %s', o.id, o.total_minor, o.currency, coalesce(l.sum::text, 'nothing'))
from orders.orders o
left join (
    select order_id, sum(price_minor::numeric * quantity) as sum, bool_and(price_minor is not null) as priced
    from orders.order_items
    group by order_id
) l on l.order_id = o.id
where o.placed_at is not null
  and (l.sum is distinct from o.total_minor or not l.priced)
