-- What totals depend on beside the prices of products: settings, taxes, shipping and discounts. An empty store has none of them.

-- One row. Each change of a rule increments its revision first, so that changes follow one another.
create table orders.settings (
    is_single          boolean primary key default true,
    require_shipping   boolean not null default false,
    country            text,                        -- of the store; for orders without an address
    prices_include_tax boolean not null default false,
    revision           bigint not null default 0,   -- 0: no rule was ever made
    constraint there_is_one_row_of_settings check (is_single),
    constraint settings_country_is_iso_3166 check (country ~ '^[A-Z]{2}$')
);
insert into orders.settings default values;

-- A rate of a region applies instead of that of its country. Regions are in upper case.
create table orders.tax_rates (
    country   text not null,
    region    text not null default '',  -- empty: the whole country
    tax_class text not null,
    name      text not null,
    rate_ppm  integer not null,
    constraint one_tax_rate_per_place_and_class primary key (country, region, tax_class),
    constraint tax_rate_country_is_iso_3166 check (country ~ '^[A-Z]{2}$'),
    constraint tax_rate_is_a_rate check (rate_ppm between 0 and 1000000)
);

create table orders.shipping_zones (
    id   integer generated always as identity primary key,
    name text not null
);

-- A zone that has the region applies instead of the one that has its country.
create table orders.shipping_zone_places (
    country text not null,
    region  text not null default '',  -- empty: the whole country
    zone_id integer not null references orders.shipping_zones (id) on delete cascade,
    constraint one_zone_per_place primary key (country, region),
    constraint zone_country_is_iso_3166 check (country ~ '^[A-Z]{2}$')
);
create index shipping_zone_places_by_zone on orders.shipping_zone_places (zone_id);

create table orders.shipping_methods (
    id       integer generated always as identity primary key,
    zone_id  integer not null references orders.shipping_zones (id) on delete cascade,
    position integer not null,
    title    text not null,
    kind     text not null,
    basis    text not null,
    constraint shipping_kind_is_known check (kind in ('delivery', 'pickup')),
    constraint shipping_basis_is_known check (basis in ('flat', 'subtotal', 'weight'))
);
create index shipping_methods_by_zone on orders.shipping_methods (zone_id);

-- The rate with the greatest `at_least` that a cart reaches applies: minor units of its subtotal, or grams.
create table orders.shipping_rates (
    method_id   integer not null references orders.shipping_methods (id) on delete cascade,
    at_least    bigint not null,
    price_minor bigint not null,
    constraint one_shipping_rate_per_start primary key (method_id, at_least),
    constraint shipping_rate_start_is_not_negative check (at_least >= 0),
    constraint shipping_price_is_not_negative check (price_minor >= 0)
);

create table orders.discounts (
    id                 bigint generated always as identity primary key,
    code               text,                          -- in upper case; null: it applies without a code
    title              text not null,
    class              text not null,
    rate_ppm           integer,
    amount_minor       bigint,
    min_subtotal_minor bigint not null default 0,
    product_ids        integer[] not null default '{}',  -- catalog's; all products if both lists are empty
    category_ids       integer[] not null default '{}',
    once_per_customer  boolean not null default false,
    usage_limit        bigint,
    used               bigint not null default 0,     -- uses that were not given back; only counted with a limit
    starts_at          timestamptz,
    ends_at            timestamptz,
    active             boolean not null default true,
    created_at         timestamptz not null default now(),
    archived_at        timestamptz,                   -- orders refer to deleted discounts
    constraint discount_code_is_valid check (code ~ '^[A-Z0-9_-]{1,64}$'),
    constraint discount_class_is_known check (class in ('line', 'order', 'shipping')),
    constraint discounts_have_one_value check (num_nonnulls(rate_ppm, amount_minor) = 1),
    constraint discount_value_is_not_negative check (rate_ppm between 0 and 1000000 and amount_minor >= 0),
    constraint discount_minimum_is_not_negative check (min_subtotal_minor >= 0),
    constraint discount_limit_is_positive check (usage_limit > 0),
    constraint discount_uses_are_within_the_limit check (used >= 0 and (used <= usage_limit or usage_limit is null)),
    constraint discounts_end_after_their_start check (starts_at < ends_at)
);
create unique index one_discount_per_code on orders.discounts (code) where archived_at is null;
create index automatic_discounts on orders.discounts (id) where code is null and archived_at is null;

-- Counts the use of a discount in the transaction that places the order. A limited discount stays locked until it ends, an
-- unlimited one stays unlimited: so a limit is exact, also while it changes. A statement inserts its rows in the order of the
-- discounts, so that two of them cannot deadlock.
create function orders.count_discount_use() returns trigger language plpgsql as $$
begin
    perform from orders.discounts where id = new.discount_id and usage_limit is null for key share;
    if not found then
        update orders.discounts set used = used + 1 where id = new.discount_id;
    end if;
    return null;
end
$$;
create trigger discount_uses_are_counted after insert on orders.order_discounts
    for each row execute function orders.count_discount_use();

-- Gives back the uses of an order that is cancelled, in the same transaction, whichever version cancels it.
create function orders.return_discount_uses() returns trigger language plpgsql as $$
declare
    returned bigint;
begin
    for returned in
        select discount_id from orders.order_discounts
        where order_id = new.order_id and released_at is null
        order by discount_id
    loop
        perform from orders.discounts where id = returned and usage_limit is null for key share;
        if not found then
            update orders.discounts set used = used - 1 where id = returned;
        end if;
    end loop;
    update orders.order_discounts set released_at = new.created_at
    where order_id = new.order_id and released_at is null;
    return null;
end
$$;
create trigger discount_uses_are_returned after insert on orders.order_events for each row
    when (new.status_changed and new.status = 'cancelled')
    execute function orders.return_discount_uses();
