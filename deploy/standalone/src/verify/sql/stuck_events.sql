-- What a provider has told is applied within 10 s of the order service being up.
select format('event %s of %s (%s): not applied since %s, tried %s times', id, provider, kind, received_at, attempts)
from orders.provider_events
where applied_at is null
  and received_at < now() - interval '10 s'
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name = 'bodega-order'
        and backend_start < now() - interval '10 s'
  )
