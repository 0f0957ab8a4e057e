-- Deliveries that were rejected, which the metrics show. There are few, so that the index costs nothing.
create index outbox_rejected on orders.outbox (created_at) where rejection is not null;
