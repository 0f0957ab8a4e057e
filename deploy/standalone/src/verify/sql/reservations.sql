-- Reserved units belong to a line of an active order or of one that is being placed, or their release is pending.
select format('order %s: is %s, product %s: reserved %s, ordered %s', v.order_id, coalesce(o.status, 'missing'),
    l.product_id, l.quantity, coalesce(i.quantity, 0))
from catalog.reservations v
join catalog.reservation_lines l on l.order_id = v.order_id
left join orders.orders o on o.id = v.order_id
left join orders.order_items i on i.order_id = v.order_id and i.product_id = l.product_id
where v.status = 'reserved'
  and case
      when o.status in ('placing', 'pending', 'confirmed', 'paid', 'shipped', 'completed') then
          i.quantity is distinct from l.quantity
      else
          not exists (select from orders.outbox b where b.order_id = v.order_id and b.kind = 'release_stock')
  end
