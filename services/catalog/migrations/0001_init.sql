create table catalog.categories (
    id   integer generated always as identity primary key,
    name text not null,
    constraint category_names_have_1_to_100_characters check (char_length(name) between 1 and 100)
);
create unique index categories_name_key on catalog.categories (lower(name));

create table catalog.tags (
    id   integer generated always as identity primary key,
    name text not null,
    constraint tag_names_have_1_to_100_characters check (char_length(name) between 1 and 100)
);
create unique index tags_name_key on catalog.tags (lower(name));

-- The words of a text, as they are and as their English stems. Punctuation counts as a gap: the parser would take
-- `usb/hdmi` for a file and `sale.today` for a host, and keep each as one word.
create function catalog.text_to_tsvector(body text) returns tsvector
    language sql immutable strict parallel safe
    return to_tsvector('pg_catalog.simple', translate(body, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))
        || to_tsvector('pg_catalog.english', translate(body, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)));

-- Finds what has every one of these words, or one with its stem; of which each is the beginning, where asked for.
-- Words are letters and digits only.
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

-- An update of stock or version alone touches no index: it stays on the page, where there is room.
create table catalog.products (
    id          integer generated always as identity primary key,
    name        text not null,
    description text not null,
    price_minor bigint not null,   -- of one unit
    currency    text not null,     -- ISO 4217, of price_minor
    stock       integer not null,  -- the sum of its stock_movements
    category_id integer,
    version     bigint not null default 1,
    archived_at timestamptz,       -- set: no longer sold
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    search      tsvector not null generated always as (
        setweight(catalog.text_to_tsvector(name), 'A') || setweight(catalog.text_to_tsvector(description), 'B')
    ) stored,
    constraint products_category_id_fkey foreign key (category_id) references catalog.categories on delete set null,
    constraint product_names_have_1_to_200_characters check (char_length(name) between 1 and 200),
    constraint descriptions_have_at_most_10000_characters check (char_length(description) <= 10000),
    constraint prices_are_in_bounds check (price_minor between 0 and 1000000000000),
    constraint currencies_are_codes check (currency ~ '^[A-Z]{3}$'),
    constraint stock_is_not_negative check (stock >= 0)
) with (fillfactor = 85);

-- One for each way to list what is sold.
create index products_by_id on catalog.products (id) where archived_at is null;
create index products_by_category on catalog.products (category_id, id) where archived_at is null;
create index products_by_price on catalog.products (price_minor, id) where archived_at is null;
create index products_by_name on catalog.products ((lower(name) collate "C"), id) where archived_at is null;
create index products_by_words on catalog.products using gin (search) where archived_at is null;

-- Typos are forgiven where pg_trgm can be had. It lives in this schema, unless the database has it elsewhere already.
do $$
declare
    home name;
begin
    begin
        create extension if not exists pg_trgm with schema catalog;
    exception
        when insufficient_privilege or feature_not_supported or undefined_file then
            raise notice 'no pg_trgm: typos are not forgiven';
    end;
    select n.nspname into home
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'pg_trgm';
    if found then
        execute format(
            'create index products_by_trigrams on catalog.products using gin (name %I.gin_trgm_ops)
             where archived_at is null',
            home
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

create table catalog.images (
    id         bigint generated always as identity primary key,
    product_id integer not null,
    url        text not null,
    position   integer not null,  -- the lowest is the one to show
    constraint images_product_id_fkey foreign key (product_id) references catalog.products,
    constraint image_urls_have_1_to_2000_characters check (char_length(url) between 1 and 2000)
);
create index images_by_product on catalog.images (product_id, position, id);

-- Stock that orders have or had. A row that was never 'reserved' is a mark: its order is to get nothing any more.
create table catalog.reservations (
    order_id    uuid primary key,  -- orders'; no foreign keys across schemas
    status      text not null,
    created_at  timestamptz not null default now(),
    released_at timestamptz,
    constraint reservations_have_a_known_status check (status in ('reserved', 'released')),
    constraint released_reservations_say_when check ((status = 'released') = (released_at is not null))
);

-- What each order got, at the name and price of that moment.
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

-- Every change of stock, for good: a product's stock is the sum of its deltas.
create table catalog.stock_movements (
    id         bigint generated always as identity primary key,
    product_id integer not null,
    delta      integer not null,
    reason     text not null,
    order_id   uuid,
    at         timestamptz not null default now(),
    constraint stock_movements_product_id_fkey foreign key (product_id) references catalog.products,
    constraint movements_have_a_known_reason check (reason in ('initial', 'adjusted', 'reserved', 'released')),
    constraint movements_of_orders_name_the_order check (
        (reason in ('reserved', 'released')) = (order_id is not null)
    ),
    constraint movements_go_the_way_of_their_reason check (
        case reason when 'adjusted' then delta <> 0 when 'reserved' then delta < 0 else delta > 0 end
    ),
    -- However often a call is repeated.
    constraint an_order_moves_a_product_once_each_way unique (order_id, product_id, reason)
);

create function catalog.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$;

create trigger stock_movements_stay before update or delete or truncate on catalog.stock_movements
    for each statement execute function catalog.refuse_change();

-- Products as readers see them.
create view catalog.shown_products as
select p.id, p.name, p.description, p.price_minor, p.currency, p.stock, p.version,
       p.archived_at is not null as archived, p.created_at, p.updated_at,
       c.id as category_id, c.name as category_name,
       (
           select coalesce(json_agg(json_build_object('id', t.id, 'name', t.name) order by lower(t.name)), '[]')
           from catalog.product_tags pt join catalog.tags t on t.id = pt.tag_id
           where pt.product_id = p.id
       ) as tags,
       (
           select coalesce(json_agg(json_build_object('id', i.id, 'url', i.url) order by i.position, i.id), '[]')
           from catalog.images i
           where i.product_id = p.id
       ) as images
from catalog.products p left join catalog.categories c on c.id = p.category_id;
