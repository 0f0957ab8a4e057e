-- Each version of a cart has at most one order.
select format('user %s, cart version %s: orders %s', user_id, cart_version, string_agg(id::text, ', ' order by id))
from orders.orders
where status <> 'rejected'
group by user_id, cart_version
having count(*) > 1
