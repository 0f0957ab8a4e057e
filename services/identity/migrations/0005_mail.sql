-- Mail: the outbox, mailed tokens, and confirmed addresses.

-- bodega_mail reads and writes this table; orders has one of the same shape.
create table identity.mails (
    id              uuid primary key,                     -- of the message too
    kind            text not null,
    dedupe_key      text not null,                        -- the same mail is written once
    user_id         uuid,                                 -- the recipient
    email           text,                                 -- its normalized address, if it is not that of the user
    params          jsonb not null default '{}',          -- never a token
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    created_at      timestamptz not null default now(),   -- or when an admin sent it again
    sent_at         timestamptz,
    discarded       boolean not null default false,       -- not sent: no recipient, or no need for it
    rejection       text,                                 -- why it was given up
    constraint one_mail_per_dedupe_key unique (dedupe_key),
    constraint discarded_mails_are_finished check (sent_at is not null or not discarded)
);
create index mails_to_send on identity.mails (next_attempt_at) where sent_at is null and rejection is null;
create index mails_rejected on identity.mails (created_at) where sent_at is null and rejection is not null;
create index mails_by_created_at on identity.mails (created_at, id);

-- Mailed tokens. Only their hashes are stored.
create table identity.account_tokens (
    hash       bytea primary key,   -- SHA-256 of the token
    user_id    uuid not null references identity.users (id),
    purpose    text not null,
    email_key  text not null,       -- normalized address that it was mailed to; void when the account has another one
    expires_at timestamptz not null,
    constraint token_purpose_is_known check (purpose in ('password_reset', 'verify_email', 'undo_email_change')),
    constraint hash_is_sha256 check (octet_length(hash) = 32)
);
create index account_tokens_by_user on identity.account_tokens (user_id);
create index account_tokens_by_expiry on identity.account_tokens (expires_at);

-- Earlier addresses of users, which can be restored for some days. A confirmed one is reserved until then.
create table identity.earlier_emails (
    user_id          uuid not null references identity.users (id),
    email            text not null,
    email_normalized text not null,
    verified         boolean not null,
    expires_at       timestamptz not null,
    primary key (user_id, email_normalized)
);
create index earlier_emails_by_email on identity.earlier_emails (email_normalized);
create index earlier_emails_by_expiry on identity.earlier_emails (expires_at);

alter table identity.users add column email_verified_at timestamptz;

-- A trigger, so that it also holds for changes by the previous version.
create function identity.another_email_is_not_verified() returns trigger language plpgsql as $$
begin
    if new.email_verified_at is not distinct from old.email_verified_at then
        new.email_verified_at := null;
    end if;
    return new;
end
$$;
create trigger another_email_is_not_verified before update of email_normalized on identity.users
    for each row when (old.email_normalized is distinct from new.email_normalized)
    execute function identity.another_email_is_not_verified();
