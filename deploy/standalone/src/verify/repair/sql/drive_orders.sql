-- An attempt to order that is left alone for longer than anything is: the order service drives it on now. Nobody is at
-- it: no lease is as long. How often it was taken over stays counted: that tells its drivers apart.
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
returning format('handed order %s to the order service again: is being placed since %s', o.id, o.created_at)
