-- Rate limits and limits of rows.

-- Uses of rate limits. bodega_runtime::rate_limit reads and writes this table; other services have one of the same shape.
create table identity.rate_limits (
    key         bytea primary key,      -- hash of the limit and its subject
    restored_at timestamptz not null,   -- when the last use is restored
    constraint key_is_a_hash check (octet_length(key) = 16)
);
create index rate_limits_by_restored_at on identity.rate_limits (restored_at);

-- The networks of clients that have signed in to an account: guesses from elsewhere do not limit them.
create table identity.recognized_clients (
    user_id       uuid not null references identity.users (id),
    network       text not null,        -- an IPv4 address, or 64 bits of an IPv6 address
    last_login_at timestamptz not null default now(),
    primary key (user_id, network)
);
create index recognized_clients_by_last_login on identity.recognized_clients (last_login_at);

-- Refresh tokens that were issued for a session after its first one.
alter table identity.sessions add column issued_tokens integer not null default 0;
