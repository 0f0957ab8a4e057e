-- Returns the reserved stock of ended or missing orders, with its movement, as the catalog service releases it: first the
-- reservation, then its products by id. Only units that left the stock by its movements and have not returned. Units of refunds are
-- returned by the refund.
with orphaned as (
    select v.order_id, coalesce(o.status, 'missing') as status
    from catalog.reservations v
    left join orders.orders o on o.id = v.order_id
    where v.status = 'reserved'
      and v.created_at < now() - interval '1 min'
      and (o.id is null or o.status in ('rejected', 'cancelled') and o.updated_at < now() - interval '1 min')
      and not exists (select from orders.outbox b where b.order_id = v.order_id and b.kind = 'release_stock')
      and not exists (
          select from orders.refunds f
          where f.order_id = v.order_id and f.accepted_at is not null and f.stock_returned_at is null
            and exists (select from orders.refund_lines l where l.refund_id = f.id and l.quantity > 0)
      )
      and exists (select from catalog.reservation_lines l where l.order_id = v.order_id)
      and not exists (
          select from catalog.reservation_lines l
          where l.order_id = v.order_id
            and not exists (
                select from catalog.stock_movements m
                where m.order_id = l.order_id and m.product_id = l.product_id
                  and m.reason = 'reserved' and m.delta = -l.quantity
            )
      )
      and not exists (
          select from catalog.stock_movements m
          where m.order_id = v.order_id and m.reason <> 'returned'
            and not exists (
                select from catalog.reservation_lines l
                where l.order_id = m.order_id and l.product_id = m.product_id
                  and m.delta = case m.reason when 'reserved' then -l.quantity else l.quantity - l.returned end
            )
      )
    order by v.order_id
    limit 100
    for update of v skip locked
), released as (
    update catalog.reservations v
    set status = 'released', released_at = now()
    from orphaned
    where v.order_id = orphaned.order_id
      and v.status = 'reserved'
    returning v.order_id, orphaned.status
), lines as (
    select l.order_id, l.product_id, l.quantity - l.returned as quantity, r.status, exists (
        select from catalog.stock_movements m
        where m.order_id = l.order_id and m.product_id = l.product_id and m.reason = 'released'
    ) as is_returned
    from released r
    join catalog.reservation_lines l on l.order_id = r.order_id
), locked as (
    select p.id
    from catalog.products p
    where p.id in (select product_id from lines where not is_returned)
    order by p.id
    for no key update
), returned as (
    update catalog.products p
    set stock = p.stock + back.quantity, version = p.version + 1
    from locked
    join (select product_id, sum(quantity) as quantity from lines where not is_returned group by product_id) back
        on back.product_id = locked.id
    where p.id = locked.id
), moved as (
    insert into catalog.stock_movements (product_id, delta, reason, order_id)
    select product_id, quantity, 'released', order_id
    from lines
    where not is_returned and quantity > 0
    order by product_id, order_id
)
select format(
    case when is_returned then 'closed the reservation of %s of product %s for order %s, which is %s: its units had already returned'
    else 'released %s of product %s reserved for order %s, which is %s' end,
    quantity, product_id, order_id, status
)
from lines
order by order_id, product_id
