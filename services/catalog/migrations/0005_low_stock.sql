-- Products on sale with 1 to 5 units of stock, which the metrics show. A table of their own, because an index that depends on
-- `stock` would make every update of it write to all indexes. Its rows change only with the lock of the product's row.
create table catalog.low_stock (
    product_id integer primary key,
    constraint low_stock_product_id_fkey foreign key (product_id) references catalog.products on delete cascade
);

create function catalog.record_low_stock() returns trigger language plpgsql as $$
begin
    if new.stock between 1 and 5 and new.archived_at is null then
        insert into catalog.low_stock (product_id) values (new.id) on conflict do nothing;
    else
        delete from catalog.low_stock where product_id = new.id;
    end if;
    return null;
end
$$;
-- Most updates do not call the function.
create trigger low_stock_is_recorded after update of stock, archived_at on catalog.products
    for each row when (
        (old.stock between 1 and 5 and old.archived_at is null)
        is distinct from (new.stock between 1 and 5 and new.archived_at is null)
    )
    execute function catalog.record_low_stock();
create trigger low_stock_of_new_products_is_recorded after insert on catalog.products
    for each row when (new.stock between 1 and 5 and new.archived_at is null)
    execute function catalog.record_low_stock();

insert into catalog.low_stock (product_id)
select id from catalog.products where stock between 1 and 5 and archived_at is null;
