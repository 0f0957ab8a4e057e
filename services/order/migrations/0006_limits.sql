-- Rate limits, and the cleanup of rows that are not needed any more.

-- Uses of rate limits. bodega_runtime::rate_limit reads and writes this table; other services have one of the same shape.
create table orders.rate_limits (
    key         bytea primary key,      -- hash of the limit and its subject
    restored_at timestamptz not null,   -- when the last use is restored
    constraint key_is_a_hash check (octet_length(key) = 16)
);
create index rate_limits_by_restored_at on orders.rate_limits (restored_at);

create index rejected_orders_by_age on orders.orders (created_at) where status = 'rejected';
create index applied_provider_events_by_age on orders.provider_events (applied_at) where applied_at is not null;
-- The order ids are UUIDv7: this index is also one by age. Without both, deleting an order would read these tables as a whole.
create index idempotency_keys_by_order on orders.idempotency_keys (order_id);
create index latest_checkouts_by_order on orders.latest_checkouts (order_id);
