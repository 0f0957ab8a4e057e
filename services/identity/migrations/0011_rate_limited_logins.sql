-- Logins that a rate limit has rejected, beside the failed ones. Rows of the previous version have none.
alter table identity.failed_logins add column rate_limited integer not null default 0;

-- As before, and the rate-limited logins.
create or replace view identity.audit_entries as
select e.id, e.created_at, e.action, e.actor_kind, e.actor,
       case e.actor_kind
           when 'user' then (select p.value from identity.audit_pseudonyms p where p.pseudonym = e.actor)
           else e.actor::text
       end as actor_id,
       (select p.value from identity.audit_pseudonyms p where p.pseudonym = e.client) as client,
       e.subject_kind, e.subject,
       case e.subject_kind
           when 'user' then (select p.value from identity.audit_pseudonyms p where p.pseudonym = e.subject::uuid)
           else e.subject
       end as subject_id,
       e.details, e.before_digest, e.after_digest
from identity.audit_events e
union all
select f.id, f.created_at, 'login.failed', 'anonymous', null, null, nullif(f.client, ''),
       case when f.account <> '00000000-0000-0000-0000-000000000000' then 'user' end,
       nullif(f.account, '00000000-0000-0000-0000-000000000000')::text,
       nullif(f.account, '00000000-0000-0000-0000-000000000000')::text,
       jsonb_build_object(
           'hour', to_char(f.hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'failures', f.failures,
           'rateLimited', f.rate_limited
       ),
       null, null
from identity.failed_logins f;
