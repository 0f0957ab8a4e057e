-- Committed changes, for caches that follow them. A change is found by the transaction that wrote it, because ids and times
-- are assigned before the commit: a reader that remembers its last snapshot selects the rows that were not visible in it.

-- Changes of products, except for those of the stock, which are in `stock_movements`. Old rows are deleted.
create table catalog.changes (
    id         bigint generated always as identity primary key,
    changed_in xid8 not null default pg_current_xact_id(),
    kind       text not null,
    product_id integer,
    created_at timestamptz not null default now(),
    -- `product`: one product changed, and lists with it; `list`: products were added; `all`: anything may have changed.
    constraint change_kinds_are_known check (kind in ('product', 'list', 'all')),
    constraint only_changes_of_a_product_have_its_id check ((kind = 'product') = (product_id is not null))
);
create index changes_by_transaction on catalog.changes (changed_in);

-- Null in rows that are older than this column.
alter table catalog.stock_movements add column changed_in xid8;
alter table catalog.stock_movements alter column changed_in set default pg_current_xact_id();
create index stock_movements_by_transaction on catalog.stock_movements (changed_in) where changed_in is not null;

-- The version at which anything but the stock changed last.
alter table catalog.products add column details_version bigint not null default 1;

-- Every change of a product sets `updated_at`, except for changes of its stock by orders.
create function catalog.record_product_change() returns trigger language plpgsql as $$
begin
    new.details_version := new.version;
    insert into catalog.changes (kind, product_id) values ('product', new.id);
    return new;
end
$$;
create trigger product_changes_are_recorded before update of updated_at on catalog.products
    for each row execute function catalog.record_product_change();

-- The argument is the kind of the change.
create function catalog.record_change() returns trigger language plpgsql as $$
begin
    insert into catalog.changes (kind) values (tg_argv[0]);
    return null;
end
$$;
create trigger new_products_are_recorded after insert on catalog.products
    for each statement execute function catalog.record_change('list');
create trigger renamed_categories_are_recorded after update on catalog.categories
    for each row when (old.name is distinct from new.name) execute function catalog.record_change('all');
create trigger deleted_categories_are_recorded after delete on catalog.categories
    for each row execute function catalog.record_change('all');
create trigger renamed_tags_are_recorded after update on catalog.tags
    for each row when (old.name is distinct from new.name) execute function catalog.record_change('all');
create trigger deleted_tags_are_recorded after delete on catalog.tags
    for each row execute function catalog.record_change('all');
