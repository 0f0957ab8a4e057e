-- Schedules refunds of parts that have work left and no schedule. The order service asks their provider, or notifies the catalog
-- of their units; both recognize a refund by its id.
with unscheduled as (
    select r.id
    from orders.refunds r
    where r.next_attempt_at is null
      and (r.status = 'pending' or r.accepted_at is not null and r.stock_returned_at is null and exists (
          select from orders.refund_lines l where l.refund_id = r.id and l.quantity > 0
      ))
      and r.updated_at < now() - interval '1 min'
    order by r.id
    limit 100
    for update of r skip locked
)
update orders.refunds r
set next_attempt_at = now()
from unscheduled
where r.id = unscheduled.id
returning format('rescheduled refund %s of order %s: is %s', r.id, r.order_id, r.status)
