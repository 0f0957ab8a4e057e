-- Compares the audit log with its segments, and the segments with each other. `{schema}` is the schema of a service.
with segments as (
    select *,
           lag(number) over chain as last_number,
           lag(hash) over chain as last_hash,
           lag(created_at) over chain as last_created_at
    from {schema}.audit_segments
    window chain as (order by number)
), retention as ( -- the last segment that was deleted when it had expired
    select (details->>'segment')::bigint as number, decode(details->>'hash', 'hex') as hash
    from {schema}.audit_events
    where action = 'audit.expired'
    order by number desc
    limit 1
), chained as (
    select s.number, s.last_created_at, m.event_id, m.event_hash
    from segments s, unnest(s.event_ids, s.event_hashes) as m (event_id, event_hash)
), pseudonyms as (
    select id as event_id, actor as pseudonym from {schema}.audit_events where actor_kind = 'user'
    union all
    select id, client from {schema}.audit_events where client is not null
    union all
    select id, subject::uuid from {schema}.audit_events where subject_kind = 'user'
)
select format('event %s of segment %s was removed', c.event_id, c.number) as row
from chained c
where not exists (select from {schema}.audit_events e where e.id = c.event_id)
union all
select format('event %s of segment %s was edited', c.event_id, c.number)
from chained c join {schema}.audit_events e on e.id = c.event_id
where {schema}.audit_event_hash(e) <> c.event_hash
union all
select format('event %s was removed before it was in a segment', p.event_id)
from {schema}.audit_pending p
where not exists (select from {schema}.audit_events e where e.id = p.event_id)
union all
select format('event %s was inserted, it is in no segment', e.id)
from {schema}.audit_events e
where not exists (select from chained c where c.event_id = e.id)
  and not exists (select from {schema}.audit_pending p where p.event_id = e.id)
union all
-- A transaction is much shorter than an hour.
select format('event %s was inserted into the past of segment %s', c.event_id, c.number)
from chained c join {schema}.audit_events e on e.id = c.event_id
where e.created_at < c.last_created_at - interval '1 hour'
union all
select format('segment %s was edited', number)
from segments
where hash <> {schema}.audit_segment_hash(number, created_at, previous_hash, event_hashes)
union all
select format('segment %s does not follow segment %s', s.number, coalesce(s.last_number, r.number, 0))
from segments s left join retention r on s.last_number is null
where s.number <> coalesce(s.last_number, r.number, 0) + 1 or s.previous_hash <> coalesce(s.last_hash, r.hash, '')
union all
select format('pseudonym %s of event %s was removed', u.pseudonym, u.event_id)
from pseudonyms u
where not exists (select from {schema}.audit_pseudonyms p where p.pseudonym = u.pseudonym)
union all
select format('pseudonym %s was edited', pseudonym)
from {schema}.audit_pseudonyms
where pseudonym <> {schema}.audit_pseudonym_of(user_id, value, salt)
union all
select format('pseudonym %s was erased without an event', p.pseudonym)
from {schema}.audit_pseudonyms p
where p.erased_in is not null
  and exists (select from pseudonyms u where u.pseudonym = p.pseudonym)
  and not exists (
      select from {schema}.audit_events e where e.id = p.erased_in and e.action in ('user.deleted', 'user.erased')
  )
