-- Reschedules abandoned checkouts, for which no process holds a valid lease. The order service resumes them. The number of
-- attempts is kept, because it identifies the lease holder.
with stuck as (
    select id
    from orders.orders
    where status = 'placing'
      and created_at < now() - interval '1 min'
      and recover_at > now() + interval '1 min'
      and (lease_until <= now() or lease_until > now() + interval '1 min')
    order by id
    limit 100
    for update skip locked
)
update orders.orders o
set lease_until = now(), recover_at = now()
from stuck
where o.id = stuck.id
returning format('rescheduled order %s: being placed since %s', o.id, o.created_at)
