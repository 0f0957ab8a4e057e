-- For information: provider events that are not applied yet.
select format('event %s of %s (%s): not applied since %s, %s attempts', id, provider, kind, received_at, attempts)
from orders.provider_events
where applied_at is null
