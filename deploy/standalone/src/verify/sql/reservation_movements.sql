-- Reserved units left the stock, and released units came back to it, except for those that were returned before.
with moved as (
    select order_id, product_id,
        -coalesce(sum(delta) filter (where reason = 'reserved'), 0) as went,
        coalesce(sum(delta) filter (where reason = 'released'), 0) as came
    from catalog.stock_movements
    where order_id is not null
    group by order_id, product_id
), lines as (
    select l.order_id, l.product_id, l.quantity, l.returned, v.status
    from catalog.reservation_lines l
    join catalog.reservations v on v.order_id = l.order_id
)
select format('order %s, product %s: %s %s, but %s left the stock and %s returned', order_id, product_id,
    coalesce(l.quantity, 0), coalesce(l.status, 'reserved'), coalesce(m.went, 0), coalesce(m.came, 0))
from lines l
full join moved m using (order_id, product_id)
where coalesce(m.went, 0) <> coalesce(l.quantity, 0)
   or coalesce(m.came, 0) <> case l.status when 'released' then l.quantity - l.returned else 0 end
