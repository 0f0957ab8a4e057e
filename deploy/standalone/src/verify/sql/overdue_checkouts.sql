-- A checkout is completed or rejected within 10 s after the start of the services.
select format('order %s: being placed since %s', id, created_at)
from orders.orders
where status = 'placing'
  and created_at < now() - interval '10 s'
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '10 s'
  )
