-- A due payment is polled, and a due refund of a part processed, within 30 s after the start of the order service. A payment of a provider that is not configured
-- any more is reported too: its state is unknown.
select format('payment %s of order %s: is %s at %s, poll due since %s', id, order_id, status, provider, next_poll_at)
from orders.payments
where next_poll_at < now() - interval '30 s'
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '30 s'
  )
union all
select format('refund %s of order %s: is %s, due since %s', id, order_id, status, next_attempt_at)
from orders.refunds
where next_attempt_at < now() - interval '30 s'
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '30 s'
  )
