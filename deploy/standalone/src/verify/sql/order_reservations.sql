-- Every line of an active order is reserved with its name and price.
select format('order %s: is %s, product %s: ordered %s of %L at %s %s, reserved %s', o.id, o.status,
    i.product_id, i.quantity, i.name, i.price_minor, o.currency,
    coalesce(format('%s of %L at %s %s', r.quantity, r.name, r.price_minor, r.currency), 'nothing'))
from orders.orders o
join orders.order_items i on i.order_id = o.id
left join (
    select l.*
    from catalog.reservation_lines l
    join catalog.reservations v on v.order_id = l.order_id
    where v.status = 'reserved'
) r on r.order_id = o.id and r.product_id = i.product_id
where o.status in ('pending', 'confirmed', 'paid', 'shipped', 'completed')
  and (i.quantity, i.name, i.price_minor, o.currency) is distinct from (r.quantity, r.name, r.price_minor, r.currency)
