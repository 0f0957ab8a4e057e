-- What a provider has told is applied, or will be.
select format('event %s of %s (%s): not applied, and nobody will', id, provider, kind)
from orders.provider_events
where applied_at is null
  and next_attempt_at is null
