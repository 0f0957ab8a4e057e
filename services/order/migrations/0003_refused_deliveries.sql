-- What a neighbour refuses for good to be told is set aside for a person to look at: it is not told again, and holds up
-- nobody's next order.
alter table orders.outbox
    add column refusal text;  -- in the neighbour's words; null while it is to be told

drop index orders.outbox_due;
create index outbox_due on orders.outbox (next_attempt_at) where refusal is null;
