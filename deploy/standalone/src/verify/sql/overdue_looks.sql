-- A payment that is due is looked at within 30 s of the order service being up. Not so where its provider is no longer
-- configured: then nobody knows what becomes of the money.
select format('payment %s of order %s: is %s at %s, to be looked at since %s', id, order_id, status, provider, next_poll_at)
from orders.payments
where next_poll_at < now() - interval '30 s'
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '30 s'
  )
