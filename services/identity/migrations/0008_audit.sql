-- The audit log: what admins, API keys and the command line have changed, and the security of accounts. An event is inserted in
-- the transaction of the change. A worker adds events to segments, whose hashes form a chain: an event that is removed, edited
-- or inserted afterwards does not match its segment (`services/shared/audit`). The migrations of catalog, identity and order
-- have the same tables, functions and triggers in their schemas.

-- The users and addresses that events refer to. They are not in the chain, so they can be erased. A pseudonym is the hash of its
-- value with a random salt: an edited value is noticed, and one that was erased cannot be guessed.
create table identity.audit_pseudonyms (
    pseudonym  uuid primary key,
    user_id    uuid,   -- with whom the row is erased; null for the address of an unknown account
    value      text,   -- id of the user, or an address
    salt       bytea,
    erased_in  uuid,   -- the event that records the erasure
    created_at timestamptz not null default now(),
    constraint erased_pseudonyms_have_no_value check (
        num_nonnulls(value, salt) = case when erased_in is null then 2 else 0 end
        and (erased_in is null or user_id is null)
    )
);
create index audit_pseudonyms_by_value on identity.audit_pseudonyms (value) where value is not null;
create index audit_pseudonyms_by_user on identity.audit_pseudonyms (user_id) where user_id is not null;

create table identity.audit_events (
    id            uuid primary key,       -- UUIDv7
    created_at    timestamptz not null,
    action        text not null,          -- such as `product.updated`
    actor_kind    text not null,
    actor         uuid,                   -- pseudonym of a user, or id of an API key
    client        uuid,                   -- pseudonym of the client's address
    subject_kind  text,                   -- what was changed
    subject       text,                   -- its id; of a user, the pseudonym
    details       jsonb not null,         -- without personal data
    before_digest bytea,                  -- SHA-256 of the subject's state before the change, of a user with the pseudonym's salt
    after_digest  bytea,
    constraint audit_actor_kind_is_known check (actor_kind in ('user', 'api_key', 'anonymous', 'system')),
    constraint audit_actors_have_an_id check ((actor_kind in ('user', 'api_key')) = (actor is not null)),
    constraint audit_subjects_have_a_kind check ((subject_kind is null) = (subject is null))
);
create index audit_events_by_actor on identity.audit_events (actor, id) where actor is not null;
create index audit_events_by_client on identity.audit_events (client) where client is not null;
create index audit_events_by_subject on identity.audit_events (subject, id) where subject is not null;
create index audit_events_by_action on identity.audit_events (action, id);

-- Events that are in no segment yet. Only committed ones are visible to the worker, in whatever order they commit.
create table identity.audit_pending (
    event_id uuid primary key
);

-- Segments of the log. Each contains the hash of the one before.
create table identity.audit_segments (
    number        bigint primary key,
    created_at    timestamptz not null,
    previous_hash bytea not null,      -- empty in the first segment
    event_ids     uuid[] not null,
    event_hashes  bytea[] not null,
    hash          bytea not null,
    constraint audit_segments_have_hashes check (cardinality(event_ids) = cardinality(event_hashes))
);

create function identity.audit_pseudonym_of(owner uuid, named text, salt bytea) returns uuid language sql stable
    return encode(substr(sha256(salt || convert_to(concat(owner, ' ', named), 'UTF8')), 1, 16), 'hex')::uuid;

create function identity.audit_event_hash(e identity.audit_events) returns bytea language sql stable
    return sha256(convert_to(jsonb_build_array(
        e.id, extract(epoch from e.created_at), e.action, e.actor_kind, e.actor, e.client, e.subject_kind, e.subject, e.details,
        encode(e.before_digest, 'hex'), encode(e.after_digest, 'hex')
    )::text, 'UTF8'));

create function identity.audit_segment_hash(
    number bigint, created_at timestamptz, previous_hash bytea, event_hashes bytea[]
) returns bytea language sql stable
    return sha256(
        convert_to(jsonb_build_array(number, extract(epoch from created_at))::text, 'UTF8') || previous_hash
        || (select coalesce(string_agg(hash, '' order by ordinal), '') from unnest(event_hashes) with ordinality as h (hash, ordinal))
    );

-- Returns the pseudonym of a value. Two transactions may create one each, so that neither waits for the other. A pseudonym gets
-- no new events after 14 days, so that the retention can delete those without events.
create function identity.audit_pseudonym(owner uuid, named text) returns uuid language plpgsql as $$
declare
    found uuid;
    new_salt bytea;
begin
    if named is null then
        return null;
    end if;
    select p.pseudonym into found from identity.audit_pseudonyms p
    where p.value = named and p.user_id is not distinct from owner and p.created_at > now() - interval '14 days'
    limit 1;
    if found is null then
        new_salt := uuid_send(gen_random_uuid());
        found := identity.audit_pseudonym_of(owner, named, new_salt);
        insert into identity.audit_pseudonyms (pseudonym, user_id, value, salt) values (found, owner, named, new_salt);
    end if;
    return found;
end
$$;

-- Inserts an event, in the transaction of the change. `actor_id` and `subject_id` are ids, `address` that of the client.
create function identity.record_audit_event(
    event_id uuid, action text, actor_kind text, actor_id uuid, address text, subject_kind text, subject_id text,
    details jsonb, state_before text, state_after text
) returns void language plpgsql as $$
declare
    -- With whom the address is erased.
    owner uuid := case when actor_kind = 'user' then actor_id when subject_kind = 'user' then subject_id::uuid end;
    actor_ref uuid := case when actor_kind = 'user' then identity.audit_pseudonym(actor_id, actor_id::text) else actor_id end;
    subject_ref text := subject_id;
    salt bytea := '';
begin
    if subject_kind = 'user' then
        subject_ref := identity.audit_pseudonym(subject_id::uuid, subject_id);
        select p.salt into salt from identity.audit_pseudonyms p where p.pseudonym = subject_ref::uuid;
    end if;
    insert into identity.audit_events (
        id, created_at, action, actor_kind, actor, client, subject_kind, subject, details, before_digest, after_digest
    )
    values (
        event_id, clock_timestamp(), action, actor_kind, actor_ref, identity.audit_pseudonym(owner, address), subject_kind,
        subject_ref, details, sha256(salt || convert_to(state_before, 'UTF8')), sha256(salt || convert_to(state_after, 'UTF8'))
    );
end
$$;

-- An insert does not choose the time of the event, and cannot keep it out of the segments.
create function identity.accept_audit_event() returns trigger language plpgsql as $$
begin
    new.created_at := clock_timestamp();
    insert into identity.audit_pending (event_id) values (new.id);
    return new;
end
$$;
create trigger audit_events_are_accepted before insert on identity.audit_events
    for each row execute function identity.accept_audit_event();

-- Also for the owner of the tables; the roles of services lack the privileges.
create function identity.reject_audit_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.created_at < now() - interval '30 days' then
            return old;
        end if;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$;
create trigger audit_events_are_append_only before update or delete on identity.audit_events
    for each row execute function identity.reject_audit_change();
create trigger audit_segments_are_append_only before update or delete on identity.audit_segments
    for each row execute function identity.reject_audit_change();
create trigger audit_events_are_not_truncated before truncate on identity.audit_events
    for each statement execute function identity.reject_audit_change();
create trigger audit_segments_are_not_truncated before truncate on identity.audit_segments
    for each statement execute function identity.reject_audit_change();

-- Erases what pseudonyms of a user stand for. The event records the erasure.
create function identity.erase_audit_pseudonyms(erased_user uuid, event_id uuid) returns void
    language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    update identity.audit_pseudonyms set user_id = null, value = null, salt = null, erased_in = event_id
    where user_id = erased_user;
end;

-- Deletes up to 100 of the oldest segments that are older than `retention`, with their events and what only these refer to. The last
-- segment remains. Returns the last deleted segment, if any; the caller records it, so that the chain has a beginning.
create function identity.delete_audit_segments(retention interval, out number bigint, out hash bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if retention < interval '30 days' then
        raise exception 'audit events are kept for at least 30 days';
    end if;
    select max(s.number) into number
    from (
        select o.number, o.created_at from identity.audit_segments o
        where o.number < (select max(l.number) from identity.audit_segments l)
        order by o.number
        limit 100
    ) s
    where s.created_at < now() - retention;
    if number is null then
        return;
    end if;
    select s.hash into hash from identity.audit_segments s where s.number = delete_audit_segments.number;
    delete from identity.audit_events e using identity.audit_segments s
    where s.number <= delete_audit_segments.number and e.id = any(s.event_ids);
    delete from identity.audit_segments s where s.number <= delete_audit_segments.number;
    delete from identity.audit_pseudonyms p
    where p.created_at < now() - interval '30 days'
      and not exists (select from identity.audit_events e where e.actor = p.pseudonym)
      and not exists (select from identity.audit_events e where e.client = p.pseudonym)
      and not exists (select from identity.audit_events e where e.subject = p.pseudonym::text);
end
$$;

-- Events with the users and addresses that are not erased.
create view identity.audit_entries as
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
from identity.audit_events e;
