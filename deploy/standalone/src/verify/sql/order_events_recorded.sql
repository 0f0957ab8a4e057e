-- Each change that other systems are notified of has its event. Events are recorded since the migration 3, and kept for 7 days.
with recent as (
    select h.*
    from orders.order_events h
    where h.created_at > greatest(
        (select max(installed_on) from orders._sqlx_migrations where version = 3), now() - interval '6 days'
    )
), expected (order_id, kind, payment_id) as (
    select order_id, 'placed', null::uuid from recent where status_changed and status = 'pending'
    union all
    select order_id, status, null::uuid from recent where status_changed and status in ('shipped', 'cancelled')
    union all
    select order_id, 'paid', payment_id from recent where status_changed and status = 'paid'
    union all
    select order_id, 'refunded', payment_id from recent where payment_status = 'refunded'
)
select format('order %s: %s event(s) of the kind %s instead of 1', x.order_id, count(e.id), x.kind)
from expected x
left join orders.events e
    on e.order_id = x.order_id and e.kind = x.kind
    and coalesce(e.payment_id, e.order_id) = coalesce(x.payment_id, x.order_id)
group by x.order_id, x.kind, x.payment_id
having count(e.id) <> 1
