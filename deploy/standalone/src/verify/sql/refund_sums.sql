-- The refunds of a payment and of the parts of its order add up: refunds that have not failed do not exceed the payment, and those
-- of a line do not exceed its units.
select format('payment %s of order %s: %s refunded in parts, its refunds have %s of %s', p.id, p.order_id, p.refunds_minor,
    coalesce(f.amount_minor, 0), p.amount_minor)
from orders.payments p
left join (
    select payment_id, sum(amount_minor) as amount_minor from orders.refunds where status <> 'failed' group by payment_id
) f on f.payment_id = p.id
where p.refunds_minor <> coalesce(f.amount_minor, 0) or p.refunds_minor > p.amount_minor
union all
select format('refund %s of order %s: %s (%s tax), its parts have %s', f.id, f.order_id, f.amount_minor, f.tax_minor,
    f.shipping_minor + coalesce(l.amount_minor, 0))
from orders.refunds f
left join (
    select refund_id, sum(amount_minor) as amount_minor from orders.refund_lines group by refund_id
) l on l.refund_id = f.id
where f.amount_minor <> f.shipping_minor + coalesce(l.amount_minor, 0)
  and not (f.is_external and l.refund_id is null)
union all
select format('order %s, product %s: %s of %s units returned (%s not shipped), %s refunded; its refunds have %s (%s) and %s',
    i.order_id, i.product_id, i.returned_quantity, i.quantity, i.unshipped_quantity, i.refunded_minor, coalesce(l.returned, 0),
    coalesce(l.unshipped, 0), coalesce(l.refunded, 0))
from orders.order_items i
left join (
    select l.order_id, l.product_id,
        sum(l.quantity) filter (where f.status <> 'failed' or f.accepted_at is not null) as returned,
        sum(l.unshipped_quantity) filter (where f.status <> 'failed' or f.accepted_at is not null) as unshipped,
        sum(l.amount_minor) filter (where f.status <> 'failed') as refunded
    from orders.refund_lines l
    join orders.refunds f on f.id = l.refund_id
    group by l.order_id, l.product_id
) l on l.order_id = i.order_id and l.product_id = i.product_id
where (i.returned_quantity, i.unshipped_quantity, i.refunded_minor)
    <> (coalesce(l.returned, 0), coalesce(l.unshipped, 0), coalesce(l.refunded, 0))
union all
select format('order %s: %s of shipping refunded, its refunds have %s', o.id, o.refunded_shipping_minor, coalesce(f.shipping_minor, 0))
from orders.orders o
left join (
    select order_id, sum(shipping_minor) as shipping_minor from orders.refunds where status <> 'failed' group by order_id
) f on f.order_id = o.id
where o.refunded_shipping_minor <> coalesce(f.shipping_minor, 0)
