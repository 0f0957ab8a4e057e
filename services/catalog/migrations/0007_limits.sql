-- Uses of rate limits. bodega_runtime::rate_limit reads and writes this table; other services have one of the same shape.
create table catalog.rate_limits (
    key         bytea primary key,      -- hash of the limit and its subject
    restored_at timestamptz not null,   -- when the last use is restored
    constraint key_is_a_hash check (octet_length(key) = 16)
);
create index rate_limits_by_restored_at on catalog.rate_limits (restored_at);
