-- Failed logins of the current hour, counted per account and client. At the end of the hour they become audit events.
create table identity.failed_logins (
    hour       timestamptz not null,
    client     text not null,                       -- network of the client; empty if unknown
    account    uuid not null,                       -- nil: an unknown account, or further accounts of the same client
    id         uuid not null,                       -- of the future event; UUIDv7
    failures   integer not null default 1,
    created_at timestamptz not null default now(),  -- the first failure
    primary key (hour, client, account)
);
create unique index failed_logins_by_id on identity.failed_logins (id);
create index failed_logins_by_account on identity.failed_logins (account);

-- As before, and the failed logins that are not events yet.
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
           'hour', to_char(f.hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'failures', f.failures
       ),
       null, null
from identity.failed_logins f;
