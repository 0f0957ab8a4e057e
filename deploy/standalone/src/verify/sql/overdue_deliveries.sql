-- A delivery succeeds within 10 s after the start of the services. The release of stock also waits up to an hour for the payment
-- provider to accept or reject refunds of returned units.
select format('order %s: %s pending since %s, %s attempts', order_id, kind, created_at, attempts)
from orders.outbox
where rejection is null
  and created_at < now() - interval '10 s'
  and not exists (
      select from orders.refunds r
      join orders.refund_lines l on l.refund_id = r.id
      where outbox.kind = 'release_stock' and r.order_id = outbox.order_id and r.status = 'pending' and r.accepted_at is null
        and r.created_at > now() - interval '1 h' and l.quantity > 0
  )
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '10 s'
  )
