-- Variants of products: sizes, colours. Each variant is a row of `catalog.products`, which has its price, stock and ledger, so that
-- carts, reservations and movements name a variant by its number. The first variant of a product has the row and the number of
-- the product. Every other one has a row of its own, with the number of its product in `variant_of`; `archived_at` is set in it,
-- so that lists and versions before this one do not take it for a product.
--
-- A sale still changes one row per line, and all that it depends on is in this row, which it locks.
alter table catalog.products
    add column variant_of integer,
    -- Whether this variant can be ordered. Null: there is no other row of the product, so that price, stock and version of the
    -- product are those of this row, and it can be ordered as long as the product is not archived.
    add column is_sold boolean,
    -- Names of the options that the variants differ in. Empty: the product has one variant.
    add column option_names text[] not null default '{}',
    -- Number of variants that can be ordered.
    add column variant_count integer not null default 1,
    -- The price of the first variant, if another one costs less: the `price_minor` of a product is the lowest, by which lists are
    -- sorted and filtered.
    add column variant_price_minor bigint,
    add constraint variant_prices_are_in_range check (variant_price_minor between 0 and 1000000000000) not valid;

create index products_by_variant_of on catalog.products (variant_of, id) where variant_of is not null;
-- The products whose first variant cannot be bought: those that are sold out are among them.
create index products_without_first_variant on catalog.products (id)
    where (is_sold_out or is_sold is false) and archived_at is null;
-- The other variants that are sold out.
create index sold_out_variants on catalog.products (id) where is_sold_out and is_sold and variant_of is not null;

-- As in 0005, but each variant that can be ordered counts.
create or replace function catalog.record_low_stock() returns trigger language plpgsql as $$
begin
    if new.stock between 1 and 5 and new.is_sold is not false and (new.archived_at is null or new.variant_of is not null) then
        insert into catalog.low_stock (product_id) values (new.id) on conflict do nothing;
    else
        delete from catalog.low_stock where product_id = new.id;
    end if;
    return null;
end
$$;
create or replace trigger low_stock_is_recorded after update of stock, archived_at, is_sold on catalog.products
    for each row when (
        (old.stock between 1 and 5 and old.is_sold is not false and (old.archived_at is null or old.variant_of is not null))
        is distinct from
        (new.stock between 1 and 5 and new.is_sold is not false and (new.archived_at is null or new.variant_of is not null))
    )
    execute function catalog.record_low_stock();

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
    image_id          bigint,                        -- one of the product's
    archived_at       timestamptz,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    constraint variants_id_fkey foreign key (id) references catalog.products,
    constraint variants_product_id_fkey foreign key (product_id) references catalog.products,
    constraint variants_image_id_fkey foreign key (image_id) references catalog.product_images on delete set null,
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
create index variants_by_image on catalog.variants (image_id) where image_id is not null;

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

-- Variants with their details, as clients see them.
create view catalog.variant_details as
select v.id, v.product_id, v.position, s.is_sold is not false as is_sold,
       json_build_object(
           'id', v.id, 'product_id', v.product_id, 'sku', v.sku, 'barcode', v.barcode, 'option_values', v.option_values,
           'price_minor', coalesce(s.variant_price_minor, s.price_minor), 'compare_at_minor', v.compare_at_minor,
           'stock', s.stock, 'weight_grams', v.weight_grams, 'requires_shipping', v.requires_shipping,
           'tax_class', v.tax_class, 'image_id', v.image_id
       ) as details
from catalog.variants v join catalog.products s on s.id = v.id;

-- Products as before, but with the stock and the versions of all their variants.
create or replace view catalog.product_view as
select p.id, p.name, p.description, p.price_minor, p.currency,
       least(
           case when p.is_sold is false then 0 else p.stock end + coalesce(others.stock, 0), 2147483647
       )::integer as stock,
       (p.version + coalesce(others.version, 0))::bigint as version,
       p.archived_at is not null as archived, p.created_at, p.updated_at,
       c.id as category_id, c.name as category_name,
       (
           select coalesce(json_agg(json_build_object('id', t.id, 'name', t.name) order by lower(t.name)), '[]')
           from catalog.product_tags pt join catalog.tags t on t.id = pt.tag_id
           where pt.product_id = p.id
       ) as tags,
       (
           select coalesce(
               json_agg(
                   json_build_object('id', i.id, 'url', i.url, 'thumbnail_url', coalesce(i.thumbnail_url, i.url))
                   order by i.position, i.id
               ),
               '[]'
           )
           from catalog.product_images i
           where i.product_id = p.id
       ) as images,
       -- Null if all variants have the same price.
       nullif(
           greatest(
               case when p.is_sold is not false then coalesce(p.variant_price_minor, p.price_minor) end,
               others.price_max_minor
           ),
           p.price_minor
       ) as price_max_minor,
       p.option_names,
       case when p.archived_at is null then p.variant_count else 0 end as variant_count,
       -- Of the variants that can be ordered, those that have details.
       (
           select coalesce(json_agg(v.details order by v.position, v.id), '[]')
           from catalog.variant_details v
           where v.product_id = p.id and v.is_sold
       ) as variants
from catalog.products p
left join catalog.categories c on c.id = p.category_id
left join lateral (
    select sum(s.stock) filter (where s.is_sold) as stock, sum(s.version) as version,
           max(s.price_minor) filter (where s.is_sold) as price_max_minor
    from catalog.products s
    where p.is_sold is not null and s.variant_of = p.id
) others on true;

-- A row for each variant, with its own price and stock, and all else of its product: what carts contain. An archived one is still
-- found.
create view catalog.variant_view as
select s.id, p.name, p.description, coalesce(s.variant_price_minor, s.price_minor) as price_minor, s.currency, s.stock,
       p.version, p.archived or s.is_sold is false as archived, p.created_at, p.updated_at, p.category_id, p.category_name,
       p.tags, p.images, null::bigint as price_max_minor, p.option_names, p.variant_count,
       (
           select coalesce(json_agg(v.details), '[]') from catalog.variant_details v where v.id = s.id
       ) as variants
from catalog.products s join catalog.product_view p on p.id = coalesce(s.variant_of, s.id);

-- What pricing needs to know about a reserved variant. Null in rows that are older than these columns.
alter table catalog.reservation_lines
    add column variant_of integer,
    add column sku text,
    add column variant_name text,
    add column tax_class text,
    add column category_id integer,
    add column weight_grams integer,
    add column requires_shipping boolean;
