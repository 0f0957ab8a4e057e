-- A payment is completed once and refunded once, and has the status of its last event.
with allowed (source, target) as (
    values (null, 'requires_payment'),
        (null, 'completed'),  -- marked as paid by an admin
        ('requires_payment', 'processing'), ('requires_payment', 'failed'), ('requires_payment', 'completed'),
        ('processing', 'failed'), ('processing', 'completed'),
        ('failed', 'processing'), ('failed', 'completed'),
        ('requires_payment', 'cancelled'), ('processing', 'cancelled'), ('failed', 'cancelled'), ('cancelled', 'completed'),
        ('completed', 'refund_pending'), ('completed', 'refunded'),
        ('refund_pending', 'refunded')
), events as (
    select order_id, payment_id, id, case when payment_cancelled then 'cancelled' else payment_status end as payment_status
    from orders.order_events
    where payment_id is not null
), steps as (
    select *, lag(payment_status) over (partition by payment_id order by id) as source
    from events
), histories as (
    select s.payment_id,
        string_agg(s.payment_status, ' -> ' order by s.id) as steps,
        (array_agg(s.payment_status order by s.id desc))[1] as last,
        bool_and(a.target is not null and s.order_id = p.order_id) as allowed
    from steps s
    join orders.payments p on p.id = s.payment_id
    left join allowed a on a.target = s.payment_status and a.source is not distinct from s.source
    group by s.payment_id
)
select format('payment %s of order %s: is %s, its history is %s', p.id, p.order_id, p.status, coalesce(h.steps, 'empty'))
from orders.payments p
left join histories h on h.payment_id = p.id
where h.last is distinct from case when p.status = 'failed' and p.cancelled then 'cancelled' else p.status end
   or not h.allowed
