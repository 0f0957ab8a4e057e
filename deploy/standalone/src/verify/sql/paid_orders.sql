-- An order becomes paid with one completed payment, and stays paid while the payment is completed. An order that was shipped
-- unpaid can be paid later, and keeps its status. One that is partly shipped keeps its status when its payment is refunded.
with paid as (
    select o.id, o.status,
        (select count(*) from orders.payments p where p.order_id = o.id and p.status = 'completed') as completed,
        o.has_shipments and exists (
            select from orders.payments p where p.order_id = o.id and p.status = 'refunded'
        ) as is_refunded,
        exists (
            select from orders.order_events e
            where e.order_id = o.id and e.status_changed and e.status = 'paid' and e.payment_status is distinct from 'completed'
        ) as without_money
    from orders.orders o
    where o.placed_at is not null
)
select format('order %s: is %s, %s of its payments are completed%s', id, status, completed,
    case when without_money then ', and no payment was completed when it became paid' else '' end)
from paid
where without_money
   or case
       when status in ('pending', 'confirmed') then completed > 0
       when status = 'paid' then completed <> 1 and not (completed = 0 and is_refunded)
       when status in ('shipped', 'completed') then completed > 1
       else false
   end
