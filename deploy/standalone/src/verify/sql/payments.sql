-- An order that was paid has its whole total; one that was cancelled then has given it back; no other has a payment.
with paid as (
    select o.id, o.status, o.total_minor, o.currency,
        exists (select from orders.order_events e where e.order_id = o.id and e.status = 'paid') as was_paid
    from orders.orders o
)
select format('order %s: is %s, %s paid for, its payment is %s', o.id, o.status,
    case when o.was_paid then 'was' else 'was never' end,
    coalesce(format('%s of %s %s', p.status, p.amount_minor, p.currency), 'missing'))
from paid o
left join orders.payments p on p.order_id = o.id
where case
    when not o.was_paid then p.order_id is not null
    else (p.amount_minor, p.currency) is distinct from (o.total_minor, o.currency)
        or p.status is distinct from case o.status when 'cancelled' then 'refunded' else 'completed' end
end
