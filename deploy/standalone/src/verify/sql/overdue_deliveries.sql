-- A delivery succeeds within 10 s after the start of the services.
select format('order %s: %s pending since %s, %s attempts', order_id, kind, created_at, attempts)
from orders.outbox
where rejection is null
  and created_at < now() - interval '10 s'
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '10 s'
  )
