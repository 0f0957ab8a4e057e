-- One row per user or guest who has ever added something to a cart.
create table cart.carts (
    id               uuid primary key,
    user_id          uuid,              -- identity's; no foreign keys across schemas
    guest_token_hash bytea,             -- SHA-256: the table does not contain the token itself
    version          bigint not null default 1,
    created_at       timestamptz not null default clock_timestamp(),
    updated_at       timestamptz not null default clock_timestamp(),
    -- A user's row is never deleted, so a version is never used twice.
    constraint one_cart_per_user unique (user_id),
    constraint one_cart_per_guest unique (guest_token_hash),
    constraint carts_have_one_owner check (num_nonnulls(user_id, guest_token_hash) = 1),
    constraint guest_tokens_are_hashed check (octet_length(guest_token_hash) = 32)
);

-- For the cleanup.
create index guest_carts_by_age on cart.carts (updated_at) where guest_token_hash is not null;

create table cart.cart_items (
    cart_id            uuid not null references cart.carts on delete cascade,
    product_id         integer not null,  -- catalog's
    quantity           integer not null,
    quoted_price_minor bigint not null,   -- of one unit, when the line was last added to or set
    currency           text not null,     -- ISO 4217
    added_at           timestamptz not null default clock_timestamp(),
    primary key (cart_id, product_id),
    constraint quantity_in_bounds check (quantity between 1 and 9999),
    constraint quoted_price_is_not_negative check (quoted_price_minor >= 0)
);

-- Orders whose lines have been removed from a cart.
create table cart.checkouts (
    order_id   uuid primary key,        -- orders'
    user_id    uuid not null,
    cleared_at timestamptz not null default now()
);

create index checkouts_by_age on cart.checkouts (cleared_at);
