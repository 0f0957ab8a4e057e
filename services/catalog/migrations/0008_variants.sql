-- Variants of products: sizes, colours. Each variant is a row of `catalog.products`, which has its price, stock and ledger, so that
-- carts, reservations and movements name a variant by its number. The first variant of a product has the row and the number of
-- the product. Every other one has a row of its own, with the number of its product in `variant_of`; `archived_at` is set in it,
-- so that lists and versions before this one do not take it for a product.
--
-- A sale still changes one row per line, and all that it depends on is in this row, which it locks.
alter table catalog.products
    add column variant_of integer,
    -- Whether this variant can be ordered. Null: as long as the product is not archived.
    add column is_sold boolean,
    -- Names of the options that the variants differ in. Empty: the product has one variant.
    add column option_names text[] not null default '{}',
    -- Number of variants that can be ordered.
    add column variant_count integer not null default 1;

create index products_by_variant_of on catalog.products (variant_of, id) where variant_of is not null;

-- All about a variant that a sale does not depend on. A product without options may have no row.
create table catalog.variants (
    id                integer primary key,
    product_id        integer not null,
    sku               text,
    barcode           text,
    option_values     text[] not null default '{}',  -- in the order of the product's option_names
    position          integer not null,
    compare_at_minor  bigint,                        -- a former or recommended price, in the currency of the price
    weight_grams      integer not null default 0,
    requires_shipping boolean not null default true,
    tax_class         text not null default 'standard',
    archived_at       timestamptz,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    constraint variants_id_fkey foreign key (id) references catalog.products,
    constraint variants_product_id_fkey foreign key (product_id) references catalog.products,
    constraint skus_have_1_to_100_characters check (char_length(sku) between 1 and 100),
    constraint barcodes_have_1_to_50_characters check (char_length(barcode) between 1 and 50),
    constraint variants_have_at_most_3_options check (cardinality(option_values) <= 3),
    constraint compare_at_prices_are_in_range check (compare_at_minor between 0 and 1000000000000),
    constraint weights_are_in_range check (weight_grams between 0 and 10000000),
    constraint tax_classes_have_1_to_50_characters check (char_length(tax_class) between 1 and 50),
    -- Exclusion constraints, because they are compared at the end of a statement: variants can exchange their SKUs.
    constraint variant_skus_are_unique
        exclude using btree (lower(sku) with =) where (archived_at is null) deferrable,
    constraint variants_of_a_product_differ
        exclude using btree (product_id with =, option_values with =) where (archived_at is null) deferrable
);
create index variants_by_product on catalog.variants (product_id, position, id);

-- Versions before this one archive a product without its variants. Locked by id, as in a reservation.
create function catalog.archive_variants() returns trigger language plpgsql as $$
begin
    perform from catalog.products where variant_of = new.id order by id for no key update;
    update catalog.products set is_sold = false, version = version + 1 where variant_of = new.id;
    update catalog.variants set archived_at = now() where product_id = new.id and archived_at is null;
    return null;
end
$$;
create trigger variants_are_archived_with_their_product after update of archived_at on catalog.products
    for each row when (old.archived_at is null and new.archived_at is not null and new.variant_of is null)
    execute function catalog.archive_variants();
