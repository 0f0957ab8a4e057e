-- What customers enter at checkout, numbers of orders, and the parts of their totals. All of it is null for orders of earlier
-- versions, whose total is the sum of their lines.

-- Numbers are assigned when orders are placed. Those of transactions that fail are not used.
create sequence orders.order_numbers as bigint start with 1001;

alter table orders.orders
    add column number bigint,
    -- What the customer has chosen. Personal data is in `order_contacts`.
    add column choices jsonb,
    -- SHA-256 of all that the customer has entered; null for nothing. A checkout is compared by it while it is placed.
    add column request_hash bytea
        constraint request_hash_is_sha256 check (octet_length(request_hash) = 32),
    add column subtotal_minor bigint,           -- of the lines before discounts
    add column discount_minor bigint,           -- of the lines
    add column shipping_minor bigint,           -- after its discount, without taxes that are added
    add column shipping_discount_minor bigint,
    add column shipping_tax_minor bigint,
    add column tax_minor bigint,                -- of lines and shipping
    add column prices_include_tax boolean,
    add column shipping_title text,             -- of the method; null if nothing is shipped
    add column taxes jsonb,                     -- by rate
    -- The cart that the total was computed from (`bodega_pricing::Cart`), with the discounts that applied; null if the total is
    -- the sum of the lines.
    add column pricing jsonb,
    add column requires_address boolean,        -- whether the store required a shipping address
    add constraint order_parts_are_complete check (num_nonnulls(
        subtotal_minor, discount_minor, shipping_minor, shipping_discount_minor, shipping_tax_minor, tax_minor,
        prices_include_tax, taxes
    ) in (0, 8)),
    add constraint order_parts_are_not_negative check (
        subtotal_minor >= 0 and discount_minor >= 0 and shipping_minor >= 0 and shipping_discount_minor >= 0
        and shipping_tax_minor >= 0 and tax_minor >= shipping_tax_minor
    ),
    -- An earlier version would price a checkout without what the customer has entered: it must not place it.
    add constraint orders_with_a_form_have_parts check (
        status in ('placing', 'rejected') or request_hash is null or subtotal_minor is not null
    );
create unique index one_order_per_number on orders.orders (number) where number is not null;

alter table orders.order_items
    add column discount_minor bigint,
    add column tax_minor bigint,
    add column total_minor bigint,              -- after discounts, with taxes
    add column tax_class text,
    add column weight_grams integer,            -- of one unit
    add column requires_shipping boolean,
    add column variant_of integer,              -- the product, if `product_id` is one of its variants
    add column sku text,
    add column variant_name text,               -- such as `M / red`
    add constraint item_parts_are_complete check (num_nonnulls(
        discount_minor, tax_minor, total_minor, tax_class, weight_grams, requires_shipping
    ) in (0, 6)),
    add constraint item_parts_are_not_negative check (
        discount_minor between 0 and price_minor * quantity and tax_minor between 0 and total_minor and weight_grams >= 0
    );

alter table orders.idempotency_keys add column request_hash bytea;

-- Contact, addresses and note of an order, as one row, which is deleted with its user.
create table orders.order_contacts (
    order_id uuid primary key references orders.orders (id) on delete cascade,
    user_id  uuid,                              -- null for a guest
    details  jsonb not null
);
create index order_contacts_by_user on orders.order_contacts (user_id);

-- The discounts that reduce the totals of orders, as they were.
create table orders.order_discounts (
    order_id     uuid not null references orders.orders (id) on delete cascade,
    discount_id  bigint not null,
    code         text,                          -- null for an automatic discount
    title        text not null,
    class        text not null,
    amount_minor bigint not null,
    released_at  timestamptz,                   -- when a cancelled order has given the use back
    primary key (order_id, discount_id),
    constraint order_discount_class_is_known check (class in ('line', 'order', 'shipping')),
    constraint order_discount_is_positive check (amount_minor > 0)
);
create index order_discounts_by_discount on orders.order_discounts (discount_id);

-- All that the customer has entered.
create view orders.checkout_forms as
select o.id as order_id, coalesce(o.choices, '{}') || coalesce(c.details, '{}') as form
from orders.orders o
left join orders.order_contacts c on c.order_id = o.id;
