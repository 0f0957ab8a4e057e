-- The W3C `traceparent` of the call that has written the row, if its trace is exported: the spans of work that follows from
-- the row are linked to it.
alter table orders.orders add column traceparent text;
alter table orders.payments add column traceparent text;
alter table orders.outbox add column traceparent text;
alter table orders.provider_events add column traceparent text;
