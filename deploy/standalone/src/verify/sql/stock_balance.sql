-- All added units are in stock or reserved.
select format('product %s: %s added, %s in stock, %s reserved', p.id, coalesce(m.added, 0), p.stock, coalesce(r.units, 0))
from catalog.products p
left join (
    select product_id, sum(delta) as added
    from catalog.stock_movements
    where reason in ('initial', 'adjusted')
    group by product_id
) m on m.product_id = p.id
left join (
    select l.product_id, sum(l.quantity) as units
    from catalog.reservation_lines l
    join catalog.reservations v on v.order_id = l.order_id
    where v.status = 'reserved'
    group by l.product_id
) r on r.product_id = p.id
where coalesce(m.added, 0) <> p.stock + coalesce(r.units, 0)
