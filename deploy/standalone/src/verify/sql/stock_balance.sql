-- All added units are in stock, reserved, or were returned and not added back.
select format('product %s: %s added, %s in stock, %s reserved, %s returned and discarded', p.id, coalesce(m.added, 0), p.stock,
    coalesce(r.units, 0), coalesce(d.units, 0))
from catalog.products p
left join (
    select product_id, sum(delta) as added
    from catalog.stock_movements
    where reason in ('initial', 'adjusted')
    group by product_id
) m on m.product_id = p.id
left join (
    select l.product_id, sum(l.quantity - l.returned) as units
    from catalog.reservation_lines l
    join catalog.reservations v on v.order_id = l.order_id
    where v.status = 'reserved'
    group by l.product_id
) r on r.product_id = p.id
left join (
    select product_id, sum(quantity) as units
    from catalog.returns
    where not is_restocked
    group by product_id
) d on d.product_id = p.id
where coalesce(m.added, 0) <> p.stock + coalesce(r.units, 0) + coalesce(d.units, 0)
