-- Units of orders that were returned by a refund. They stay lines of the reservation; releasing it does not add them back again.
alter table catalog.reservation_lines add column returned integer not null default 0;
alter table catalog.reservation_lines
    add constraint returned_units_were_reserved check (returned between 0 and quantity) not valid;

create table catalog.returns (
    return_id    uuid not null,     -- the refund's in orders.refunds; no foreign keys across schemas
    order_id     uuid not null,
    product_id   integer not null,
    quantity     integer not null,
    is_restocked boolean not null,  -- whether the units were added back to the stock
    created_at   timestamptz not null default now(),
    primary key (return_id, product_id),
    constraint returns_belong_to_a_reservation foreign key (order_id, product_id) references catalog.reservation_lines,
    constraint returned_quantities_are_positive check (quantity > 0)
);
create index returns_by_line on catalog.returns (order_id, product_id);

-- A movement of the reason `returned` names no order: an order may return units of a product several times.
-- contract: the constraint is replaced by one that allows more; versions before this one do not read the reason.
alter table catalog.stock_movements drop constraint stock_movement_reasons_are_known;
alter table catalog.stock_movements add constraint stock_movement_reasons_are_known
    check (reason in ('initial', 'adjusted', 'reserved', 'released', 'returned')) not valid;

-- Versions before this one release all units of an order, also those that were returned: that fails, and is retried until a
-- version that knows returns does it.
create function catalog.check_released_units() returns trigger language plpgsql as $$
begin
    if exists (
        select from catalog.reservation_lines line
        where line.order_id = new.order_id and line.product_id = new.product_id and new.delta > line.quantity - line.returned
    ) then
        raise exception 'order % has returned units of product %', new.order_id, new.product_id
            using errcode = 'check_violation', constraint = 'returned_units_are_not_released';
    end if;
    return new;
end
$$;
create trigger returned_units_are_not_released before insert on catalog.stock_movements for each row
    when (new.reason = 'released') execute function catalog.check_released_units();
