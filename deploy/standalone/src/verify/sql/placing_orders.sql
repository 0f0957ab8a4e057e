-- For information: attempts that are under way, or that wait for the store to open.
select format('order %s: being placed since %s', id, created_at)
from orders.orders
where status = 'placing'
