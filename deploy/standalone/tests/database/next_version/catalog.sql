-- A made-up migration of the next version: what an expanding migration may do.
alter table catalog.products add column sku text;
alter table catalog.stock_movements add column warehouse text;
alter table catalog.reservations add column expires_at timestamptz;
alter table catalog.reservation_lines add column discount_minor bigint not null default 0;
create unique index one_product_per_sku on catalog.products (sku) where sku is not null;
do $$
declare
    definition text := rtrim(pg_get_viewdef('catalog.product_view'::regclass), ';');
begin
    execute 'create or replace view catalog.product_view as select v.*, p.sku from (' || definition
        || ') v join catalog.products p using (id)';
end
$$;
