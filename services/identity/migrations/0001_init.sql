-- Users, their sessions, and the keys that sign access tokens.

-- The image registry: a row is inserted before its object is written, and deleted after the object.
-- bodega_media reads and writes this table; catalog has one of the same shape.
create table identity.stored_images (
    key          text primary key,             -- object key in the storage
    storage      text not null,                -- `local`, `s3` or `cloudinary`
    delete_after timestamptz,                  -- null while the image is in use
    attempts     integer not null default 0,   -- attempts to delete the object
    created_at   timestamptz not null default now(),
    constraint deletion_attempts_are_not_negative check (attempts >= 0),
    -- From the first attempt on, the object may be gone.
    constraint images_being_deleted_are_not_in_use check (attempts = 0 or delete_after is not null)
);

create index stored_images_to_delete on identity.stored_images (storage, delete_after)
    where delete_after is not null;

-- A deleted user stays as a tombstone without personal data, because orders refer to its id.
create table identity.users (
    id                   uuid primary key,
    name                 text not null,
    name_normalized      text not null,   -- NFKC and casefolded, for comparison and uniqueness
    email                text,
    email_normalized     text,
    username             text,
    username_normalized  text,
    password_hash        text,            -- argon2id as a PHC string, or an imported bcrypt hash
    role                 text not null default 'user',
    avatar_url           text not null default '',
    avatar_thumbnail_url text not null default '',
    avatar_image_key     text,            -- null without an avatar, and for an imported URL
    disabled             boolean not null default false,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    deleted_at           timestamptz,
    constraint one_user_per_email unique (email_normalized),
    constraint one_user_per_username unique (username_normalized),
    constraint avatar_images_are_registered
        foreign key (avatar_image_key) references identity.stored_images (key),
    constraint role_is_known check (role in ('user', 'admin')),
    constraint emails_are_normalized check ((email is null) = (email_normalized is null)),
    constraint usernames_are_normalized check ((username is null) = (username_normalized is null)),
    -- A login is an email or a username, never both.
    constraint emails_have_an_at_sign check (email_normalized like '%@%'),
    constraint usernames_have_no_at_sign check (username_normalized not like '%@%'),
    constraint avatars_have_thumbnails check ((avatar_url = '') = (avatar_thumbnail_url = '')),
    constraint avatar_images_have_urls check (avatar_image_key is null or avatar_url <> ''),
    constraint users_can_log_in_until_deleted check (
        deleted_at is not null or (email is not null and password_hash is not null)
    ),
    constraint deleted_users_are_erased check (
        deleted_at is null
        or (name = '' and name_normalized = '' and email is null and username is null and password_hash is null
            and avatar_url = '')
    )
);

create index users_who_are_admins on identity.users (id) where role = 'admin';
create unique index one_user_per_avatar_image on identity.users (avatar_image_key)
    where avatar_image_key is not null;

-- Delivery addresses, in the order the user gave them.
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
    primary key (user_id, position),
    constraint country_is_iso_3166_alpha_2 check (country ~ '^[A-Z]{2}$')
);

create unique index one_default_address_per_user on identity.addresses (user_id) where is_default;

-- A session ends once. Its row stays until every access token of the session has expired.
create table identity.sessions (
    id              uuid primary key,
    user_id         uuid not null references identity.users (id),
    user_agent      text not null,
    generation      integer not null default 0,   -- of the refresh tokens that are still unused
    used_token_hash bytea,                        -- of the refresh token that this generation was issued for
    created_at      timestamptz not null default now(),
    last_used_at    timestamptz not null default now(),
    ended_at        timestamptz,
    constraint later_generations_have_a_used_token check ((generation = 0) = (used_token_hash is null))
);

create index active_sessions_by_user on identity.sessions (user_id) where ended_at is null;
create index sessions_by_ended_at on identity.sessions (ended_at) where ended_at is not null;
create index sessions_by_last_used_at on identity.sessions (last_used_at);

-- Every refresh token that was issued for a session, so that the reuse of an old one is detected.
create table identity.refresh_tokens (
    hash       bytea primary key,   -- SHA-256 of the token
    session_id uuid not null references identity.sessions (id) on delete cascade,
    generation integer not null,
    constraint hash_is_sha256 check (octet_length(hash) = 32)
);

create index refresh_tokens_by_session on identity.refresh_tokens (session_id);

-- Notifies every process of each ended session when the transaction that ended it commits.
create function identity.notify_session_ended() returns trigger
language plpgsql as $$
begin
    perform pg_notify('identity.session_ended', new.id::text);
    return null;
end
$$;

create trigger notify_session_ended
    after update of ended_at on identity.sessions
    for each row
    when (old.ended_at is null and new.ended_at is not null)
    execute function identity.notify_session_ended();

-- Ed25519 keys. The private key is encrypted under a key derived from JWT_SECRET_KEY.
create table identity.signing_keys (
    kid                   text primary key,   -- RFC 7638 thumbprint
    public_key            bytea not null,
    encrypted_private_key bytea not null,     -- PKCS #8 in AES-256-GCM: nonce, ciphertext, tag
    created_at            timestamptz not null default now(),
    retired_at            timestamptz,
    constraint public_key_is_ed25519 check (octet_length(public_key) = 32)
);

-- Several processes that start at once agree on one key.
create unique index one_current_signing_key on identity.signing_keys ((true)) where retired_at is null;
