-- Second factors: time-based one-time passwords (RFC 6238), and recovery codes for when the device is lost.

create table identity.second_factors (
    user_id          uuid primary key references identity.users (id),
    encrypted_secret bytea not null,            -- of TOTP in AES-256-GCM: nonce, ciphertext, tag
    created_at       timestamptz not null default now(),
    confirmed_at     timestamptz,               -- null until the user has entered a first code: not in use
    last_step        bigint not null default 0, -- of the last accepted code: it and earlier ones are rejected
    constraint last_step_is_not_negative check (last_step >= 0)
);

-- The unused recovery codes. A code has 80 random bits, so a slow hash would add nothing.
create table identity.recovery_codes (
    user_id uuid not null references identity.second_factors (user_id) on delete cascade,
    hash    bytea not null,   -- SHA-256 of the code
    primary key (user_id, hash),
    constraint recovery_code_hash_is_sha256 check (octet_length(hash) = 32)
);

-- Logins whose password was correct, and that wait for a code. A row is deleted when it is used.
create table identity.login_challenges (
    hash            bytea primary key,   -- SHA-256 of the token that the client holds
    user_id         uuid not null references identity.users (id),
    password_digest bytea not null,      -- SHA-256 of the password hash: a new password makes the challenge invalid
    user_agent      text not null,
    expires_at      timestamptz not null,
    constraint challenge_hash_is_sha256 check (octet_length(hash) = 32)
);

create index login_challenges_by_user on identity.login_challenges (user_id);

-- Time of the last code that was entered in the session; null without a second factor.
alter table identity.sessions add column second_factor_at timestamptz;
