create table catalog.categories (
    id   integer generated always as identity primary key,
    name text not null,
    constraint category_names_have_1_to_100_characters check (char_length(name) between 1 and 100)
);
create unique index category_names_are_unique on catalog.categories (lower(name));

create table catalog.tags (
    id   integer generated always as identity primary key,
    name text not null,
    constraint tag_names_have_1_to_100_characters check (char_length(name) between 1 and 100)
);
create unique index tag_names_are_unique on catalog.tags (lower(name));

-- The words of a text, each as written and as its English stem. Punctuation is replaced by spaces: otherwise the parser
-- treats `usb/hdmi` as a file name and `sale.today` as a host name, and keeps each as one word.
create function catalog.text_to_tsvector(body text) returns tsvector
    language sql immutable strict parallel safe
    return to_tsvector('pg_catalog.simple', translate(body, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))
        || to_tsvector('pg_catalog.english', translate(body, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)));

-- A query that matches texts with all of these words; a word matches by itself, by its stem or, with `as_prefixes`,
-- as the prefix of a longer word. Words must consist of letters and digits.
create function catalog.words_to_tsquery(words text[], as_prefixes boolean) returns tsquery
    language sql immutable strict parallel safe
    return (
        select coalesce(string_agg('(' || query::text || ')', ' & '), '')::tsquery
        from unnest(words) as word,
             lateral (
                 select to_tsquery('pg_catalog.simple', quote_literal(word) || case when as_prefixes then ':*' else '' end)
                     || to_tsquery('pg_catalog.english', quote_literal(word)) as query
             ) as alternatives
        where numnode(query) > 0
    );

-- An update of `stock` or `version` touches no indexed column. The fill factor leaves room on each page for the new row
-- version, so that such updates need no index writes (heap-only tuples).
create table catalog.products (
    id            integer generated always as identity primary key,
    name          text not null,
    description   text not null,
    price_minor   bigint not null,   -- of one unit, in minor units of `currency`
    currency      text not null,     -- ISO 4217
    stock         integer not null,  -- always the sum of the product's stock_movements
    category_id   integer,
    version       bigint not null default 1,
    archived_at   timestamptz,       -- null while the product is sold
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    search_vector tsvector not null generated always as (
        setweight(catalog.text_to_tsvector(name), 'A') || setweight(catalog.text_to_tsvector(description), 'B')
    ) stored,
    constraint products_category_id_fkey foreign key (category_id) references catalog.categories on delete set null,
    constraint product_names_have_1_to_200_characters check (char_length(name) between 1 and 200),
    constraint product_descriptions_have_at_most_10000_characters check (char_length(description) <= 10000),
    constraint product_prices_are_in_range check (price_minor between 0 and 1000000000000),
    constraint product_currencies_are_iso_4217_codes check (currency ~ '^[A-Z]{3}$'),
    constraint stock_is_not_negative check (stock >= 0)
) with (fillfactor = 85);

-- One index for each way to list products that are sold.
create index products_by_id on catalog.products (id) where archived_at is null;
create index products_by_category on catalog.products (category_id, id) where archived_at is null;
create index products_by_price on catalog.products (price_minor, id) where archived_at is null;
create index products_by_name on catalog.products ((lower(name) collate "C"), id) where archived_at is null;
create index products_by_search_vector on catalog.products using gin (search_vector) where archived_at is null;

-- Searches tolerate typos if the extension pg_trgm is available. It is installed into this schema, unless the database
-- has it in another one already.
do $$
declare
    extension_schema name;
begin
    begin
        create extension if not exists pg_trgm with schema catalog;
    exception
        when insufficient_privilege or feature_not_supported or undefined_file then
            raise notice 'pg_trgm is not available: searches do not tolerate typos';
    end;
    select n.nspname into extension_schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'pg_trgm';
    if found then
        execute format(
            'create index products_by_name_trigrams on catalog.products using gin (name %I.gin_trgm_ops)
             where archived_at is null',
            extension_schema
        );
    end if;
end
$$;

create table catalog.product_tags (
    id         integer generated always as identity primary key,
    product_id integer not null,
    tag_id     integer not null,
    constraint product_tags_product_id_fkey foreign key (product_id) references catalog.products,
    constraint product_tags_tag_id_fkey foreign key (tag_id) references catalog.tags on delete cascade,
    constraint a_product_has_a_tag_once unique (product_id, tag_id)
);
create index product_tags_by_tag on catalog.product_tags (tag_id, product_id);

-- Images of products that are in the service's own storage. A row is written before its object and deleted after it, so
-- no object is ever without a row.
create table catalog.stored_images (
    key          text primary key,             -- object key in the storage
    storage      text not null,                -- `local`, `s3` or `cloudinary`
    delete_after timestamptz,                  -- null while a product has the image
    attempts     integer not null default 0,   -- attempts to delete the object
    created_at   timestamptz not null default now(),
    constraint deletion_attempts_are_not_negative check (attempts >= 0),
    -- After the first attempt the object may be gone.
    constraint images_being_deleted_are_not_in_use check (attempts = 0 or delete_after is not null)
);
create index stored_images_to_delete on catalog.stored_images (storage, delete_after) where delete_after is not null;

-- The images of each product. `stored_image_key` and `thumbnail_url` are null for an image on another host.
create table catalog.product_images (
    id               bigint generated always as identity primary key,
    product_id       integer not null,
    url              text not null,
    thumbnail_url    text,
    stored_image_key text,
    position         integer not null,  -- ascending; the first image represents the product
    constraint product_images_product_id_fkey foreign key (product_id) references catalog.products,
    constraint product_images_stored_image_key_fkey foreign key (stored_image_key) references catalog.stored_images,
    constraint a_stored_image_is_used_once unique (stored_image_key),
    constraint stored_images_have_thumbnails check ((stored_image_key is null) = (thumbnail_url is null)),
    constraint image_urls_have_1_to_2000_characters check (char_length(url) between 1 and 2000),
    constraint thumbnail_urls_have_1_to_2000_characters check (char_length(thumbnail_url) between 1 and 2000)
);
create index product_images_by_product on catalog.product_images (product_id, position, id);

-- One row per order that reserved stock. An order that is released before it reserved gets a row too, as 'released':
-- a later attempt to reserve is rejected.
create table catalog.reservations (
    order_id    uuid primary key,  -- id of orders.orders; no foreign keys across schemas
    status      text not null,
    created_at  timestamptz not null default now(),
    released_at timestamptz,
    constraint reservation_statuses_are_known check (status in ('reserved', 'released')),
    constraint only_released_reservations_have_a_release_time check ((status = 'released') = (released_at is not null))
);

-- The products of a reservation, with name and price at the time of the reservation.
create table catalog.reservation_lines (
    order_id    uuid not null,
    product_id  integer not null,
    quantity    integer not null,
    name        text not null,
    price_minor bigint not null,
    currency    text not null,
    primary key (order_id, product_id),
    constraint reservation_lines_order_id_fkey foreign key (order_id) references catalog.reservations,
    constraint reservation_lines_product_id_fkey foreign key (product_id) references catalog.products,
    constraint reserved_quantities_are_positive check (quantity > 0)
);

-- The append-only ledger of stock: a product's stock is the sum of its deltas.
create table catalog.stock_movements (
    id         bigint generated always as identity primary key,
    product_id integer not null,
    delta      integer not null,
    reason     text not null,
    order_id   uuid,
    created_at timestamptz not null default now(),
    constraint stock_movements_product_id_fkey foreign key (product_id) references catalog.products,
    constraint stock_movement_reasons_are_known check (reason in ('initial', 'adjusted', 'reserved', 'released')),
    constraint only_stock_movements_of_orders_have_an_order check (
        (reason in ('reserved', 'released')) = (order_id is not null)
    ),
    constraint stock_movement_deltas_match_their_reason check (
        case reason when 'adjusted' then delta <> 0 when 'reserved' then delta < 0 else delta > 0 end
    ),
    -- Retried calls must not move stock twice.
    constraint an_order_moves_a_product_once_per_reason unique (order_id, product_id, reason)
);

create function catalog.reject_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$;

create trigger stock_movements_are_append_only before update or delete or truncate on catalog.stock_movements
    for each statement execute function catalog.reject_change();

-- Products with their category, tags and images, as clients see them.
create view catalog.product_view as
select p.id, p.name, p.description, p.price_minor, p.currency, p.stock, p.version,
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
       ) as images
from catalog.products p left join catalog.categories c on c.id = p.category_id;

-- Categories and tags with the number of their products that are sold.
create view catalog.category_view as
select c.id, c.name,
       (
           select count(*) from catalog.products p where p.category_id = c.id and p.archived_at is null
       ) as product_count
from catalog.categories c;

create view catalog.tag_view as
select t.id, t.name,
       (
           select count(*)
           from catalog.product_tags pt
           -- Few products are archived: excluding them is faster than looking up every other one.
           where pt.tag_id = t.id and not exists (
               select from catalog.products p where p.id = pt.product_id and p.archived_at is not null
           )
       ) as product_count
from catalog.tags t;
