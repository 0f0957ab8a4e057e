-- API keys: machines that call the API with scopes instead of a user's role. An ended key is found by the transaction that ended
-- it, like a session, so that its access tokens are revoked over the same stream.

create table identity.api_keys (
    id           uuid primary key,
    name         text not null,
    hash         bytea not null,        -- SHA-256 of the key, which has 256 random bits
    scopes       text[] not null,
    created_by   uuid not null references identity.users (id),
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    last_used_at timestamptz,           -- when it was last exchanged for an access token
    ended_at     timestamptz,
    ended_in     xid8,
    constraint one_api_key_per_hash unique (hash),
    constraint api_key_hash_is_sha256 check (octet_length(hash) = 32),
    constraint api_keys_have_scopes check (cardinality(scopes) > 0),
    constraint api_keys_expire check (expires_at > created_at)
);

create index active_api_keys_by_creator on identity.api_keys (created_by) where ended_at is null;
create index api_keys_by_expiry on identity.api_keys (expires_at);
create index api_keys_by_ended_at on identity.api_keys (ended_at) where ended_at is not null;
create index api_keys_by_ending_transaction on identity.api_keys (ended_in) where ended_in is not null;

create trigger api_key_ends_are_recorded before update of ended_at on identity.api_keys
    for each row when (old.ended_at is null and new.ended_at is not null)
    execute function identity.record_session_end();
