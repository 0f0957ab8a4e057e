-- An order becomes paid with the money of one payment, and is paid as long as that is there. One that was sent off
-- unpaid may be paid later, and keeps its state.
with paid as (
    select o.id, o.status,
        (select count(*) from orders.payments p where p.order_id = o.id and p.status = 'completed') as completed,
        exists (
            select from orders.order_events e
            where e.order_id = o.id and e.status_changed and e.status = 'paid' and e.payment_status is distinct from 'completed'
        ) as without_money
    from orders.orders o
    where o.placed_at is not null
)
select format('order %s: is %s, %s of its payments are completed%s', id, status, completed,
    case when without_money then ', and no money came when it became paid' else '' end)
from paid
where without_money
   or case
       when status in ('pending', 'confirmed') then completed > 0
       when status = 'paid' then completed <> 1
       when status in ('shipped', 'completed') then completed > 1
       else false
   end
