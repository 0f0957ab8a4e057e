-- For information: what providers have told and nobody has applied yet.
select format('event %s of %s (%s): since %s, tried %s times', id, provider, kind, received_at, attempts)
from orders.provider_events
where applied_at is null
