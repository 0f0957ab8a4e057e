-- Reschedules provider events that are not scheduled, or are scheduled too late. The order service applies them.
with stuck as (
    select provider, id
    from orders.provider_events
    where applied_at is null
      and outcome is null
      and received_at < now() - interval '1 min'
      and (next_attempt_at is null or next_attempt_at > now() + interval '1 min')
    order by provider, id
    limit 100
    for update skip locked
)
update orders.provider_events e
set next_attempt_at = now(), attempts = 0
from stuck
where e.provider = stuck.provider and e.id = stuck.id
returning format('rescheduled event %s of %s (%s)', e.id, e.provider, e.kind)
