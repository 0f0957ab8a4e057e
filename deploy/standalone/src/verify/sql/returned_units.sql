-- The returned units of a reservation are those of its returns, and the ones that were added back have movements.
select format('order %s, product %s: %s units returned, its returns have %s', l.order_id, l.product_id, l.returned,
    coalesce(r.units, 0))
from catalog.reservation_lines l
left join (
    select order_id, product_id, sum(quantity) as units
    from catalog.returns
    group by order_id, product_id
) r on r.order_id = l.order_id and r.product_id = l.product_id
where l.returned <> coalesce(r.units, 0)
union all
select format('product %s: %s returned units were added back, its movements have %s', p.id, coalesce(r.units, 0),
    coalesce(m.units, 0))
from catalog.products p
left join (
    select product_id, sum(quantity) as units from catalog.returns where is_restocked group by product_id
) r on r.product_id = p.id
left join (
    select product_id, sum(delta) as units from catalog.stock_movements where reason = 'returned' group by product_id
) m on m.product_id = p.id
where coalesce(r.units, 0) <> coalesce(m.units, 0)
