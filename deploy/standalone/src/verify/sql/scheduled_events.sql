-- A provider event is applied or scheduled.
select format('event %s of %s (%s): neither applied nor scheduled', id, provider, kind)
from orders.provider_events
where applied_at is null
  and next_attempt_at is null
