-- Accounts, their sessions, and the keys that sign access tokens.

-- An account. A deleted one stays as a tombstone without personal data, for the orders that name it.
create table identity.users (
    id            uuid primary key,
    name          text not null,
    name_key      text not null,   -- the `_key`s are folded: without regard to case and to ways of writing Unicode
    email         text,
    email_key     text,
    username      text,
    username_key  text,
    password_hash text,            -- argon2id as a PHC string; or bcrypt, brought in from elsewhere
    role          text not null default 'user',
    avatar_url    text not null default '',
    disabled      boolean not null default false,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    deleted_at    timestamptz,
    constraint one_account_per_email unique (email_key),
    constraint one_account_per_username unique (username_key),
    constraint role_is_known check (role in ('user', 'admin')),
    constraint email_has_its_key check ((email is null) = (email_key is null)),
    constraint username_has_its_key check ((username is null) = (username_key is null)),
    -- A login is one or the other, never both.
    constraint email_looks_like_one check (email_key like '%@%'),
    constraint username_does_not_look_like_an_email check (username_key not like '%@%'),
    constraint live_accounts_can_sign_in check (
        deleted_at is not null or (email is not null and password_hash is not null)
    ),
    constraint deleted_accounts_are_erased check (
        deleted_at is null
        or (name = '' and name_key = '' and email is null and username is null and password_hash is null
            and avatar_url = '')
    )
);

create index admins on identity.users (id) where role = 'admin';

-- Where an account has things sent to, in its owner's order.
create table identity.addresses (
    user_id     uuid not null references identity.users (id),
    position    integer not null,
    name        text not null,
    line1       text not null,
    line2       text not null,
    city        text not null,
    region      text not null,
    postal_code text not null,
    country     text not null,
    phone       text not null,
    is_default  boolean not null,
    constraint addresses_are_in_order primary key (user_id, position),
    constraint country_is_iso_alpha_2 check (country ~ '^[A-Z]{2}$')
);

create unique index one_default_address on identity.addresses (user_id) where is_default;

-- A signed-in client. It ends once, and stays known until nobody can have a token of it any more.
create table identity.sessions (
    id           uuid primary key,
    user_id      uuid not null references identity.users (id),
    user_agent   text not null,
    generation   integer not null default 0,   -- of the refresh tokens that have not been used yet
    used_token   bytea,                        -- hash of the last token used: what those came from
    created_at   timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    ended_at     timestamptz,
    constraint later_generations_come_from_a_token check ((generation = 0) = (used_token is null))
);

create index live_sessions on identity.sessions (user_id) where ended_at is null;
create index ended_sessions on identity.sessions (ended_at) where ended_at is not null;
create index idle_sessions on identity.sessions (last_used_at);

-- Every refresh token a session was ever given, so that an old one is known for what it is.
create table identity.refresh_tokens (
    hash       bytea primary key,   -- SHA-256 of the token
    session_id uuid not null references identity.sessions (id) on delete cascade,
    generation integer not null,
    constraint hash_is_sha256 check (octet_length(hash) = 32)
);

create index tokens_of_a_session on identity.refresh_tokens (session_id);

-- Whoever ends a session, by whatever statement: every process hears of it when that is committed.
create function identity.announce_ended_session() returns trigger
language plpgsql as $$
begin
    perform pg_notify('identity.session_ended', new.id::text);
    return null;
end
$$;

create trigger announce_ended_session
    after update of ended_at on identity.sessions
    for each row
    when (old.ended_at is null and new.ended_at is not null)
    execute function identity.announce_ended_session();

-- Ed25519 keys. The private part is sealed under a key derived from JWT_SECRET_KEY.
create table identity.signing_keys (
    kid                text primary key,   -- RFC 7638 thumbprint
    public_key         bytea not null,
    sealed_private_key bytea not null,     -- PKCS #8 in AES-256-GCM: nonce, ciphertext, tag
    created_at         timestamptz not null default now(),
    retired_at         timestamptz,
    constraint public_key_is_ed25519 check (octet_length(public_key) = 32)
);

-- Settles which key it is when several processes start at once.
create unique index one_signing_key_at_a_time on identity.signing_keys ((true)) where retired_at is null;
