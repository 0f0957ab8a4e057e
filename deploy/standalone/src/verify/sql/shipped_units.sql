-- The shipped units of a line are those of its shipments; shipments belong to orders that were not cancelled.
select format('order %s, product %s: %s of %s units shipped, its shipments have %s', i.order_id, i.product_id, i.shipped_quantity,
    i.quantity, coalesce(l.units, 0))
from orders.order_items i
left join (
    select order_id, product_id, sum(quantity) as units from orders.shipment_lines group by order_id, product_id
) l on l.order_id = i.order_id and l.product_id = i.product_id
where i.shipped_quantity <> coalesce(l.units, 0)
union all
select format('order %s: is %s, and has shipment %s', o.id, o.status, s.id)
from orders.shipments s
join orders.orders o on o.id = s.order_id
where o.status not in ('confirmed', 'paid', 'shipped', 'completed') or not o.has_shipments
