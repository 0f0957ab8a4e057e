-- A provider event is applied within 10 s after the start of the order service.
select format('event %s of %s (%s): not applied since %s, %s attempts', id, provider, kind, received_at, attempts)
from orders.provider_events
where applied_at is null
  and received_at < now() - interval '10 s'
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '10 s'
  )
