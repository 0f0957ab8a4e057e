-- A refund that is pending, or of whose units the catalog is to be notified, is scheduled.
select format('refund %s of order %s: is %s, and nothing is scheduled', r.id, r.order_id, r.status)
from orders.refunds r
where r.next_attempt_at is null
  and (r.status = 'pending' or r.accepted_at is not null and r.stock_returned_at is null and exists (
      select from orders.refund_lines l where l.refund_id = r.id and l.quantity > 0
  ))
