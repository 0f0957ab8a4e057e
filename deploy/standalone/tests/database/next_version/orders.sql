-- A made-up migration of the next version: what an expanding migration may do.
alter table orders.orders add column channel text;
alter table orders.order_items add column deposit_minor bigint not null default 0;
alter table orders.order_events add column source text;
alter table orders.outbox add column priority integer not null default 0;
alter table orders.payments add column note text;
alter table orders.provider_events add column region text;
create index orders_by_channel on orders.orders (channel) where channel is not null;
create table orders.invoices (id bigint generated always as identity primary key, order_id uuid not null);
