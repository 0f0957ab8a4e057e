-- The catalog knows the units of each refund of which it was notified, and no others. It ignores those of orders whose stock was
-- released before.
select format('refund %s of order %s, product %s: %s units, restock %s, the catalog has %s', coalesce(f.refund_id, c.return_id),
    coalesce(f.order_id, c.order_id), coalesce(f.product_id, c.product_id), coalesce(f.quantity, 0), coalesce(f.restock::text, '-'),
    coalesce(format('%s, restocked %s', c.quantity, c.is_restocked), 'none'))
from (
    select r.id as refund_id, r.order_id, l.product_id, l.quantity, r.restock, r.stock_returned_at
    from orders.refunds r
    join orders.refund_lines l on l.refund_id = r.id
    where l.quantity > 0 and r.accepted_at is not null
) f
full join catalog.returns c on c.return_id = f.refund_id and c.product_id = f.product_id
left join catalog.reservations v on v.order_id = f.order_id
where case
    when f.refund_id is null then true
    when c.return_id is null then f.stock_returned_at is not null and v.status is distinct from 'released'
    else (f.order_id, f.quantity, f.restock) is distinct from (c.order_id, c.quantity, c.is_restocked)
end
