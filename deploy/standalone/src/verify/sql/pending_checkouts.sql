-- For information: orders that are being placed, or whose checkout was interrupted.
select format('order %s: being placed since %s', id, created_at)
from orders.orders
where status = 'placing'
