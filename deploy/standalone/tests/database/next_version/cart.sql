-- A made-up migration of the next version: what an expanding migration may do.
alter table cart.carts add column note text;
alter table cart.cart_items add column is_gift boolean not null default false;
alter table cart.checkouts add column channel text;
create index gifts_by_cart on cart.cart_items (cart_id) where is_gift;
create table cart.wishlists (user_id uuid primary key, created_at timestamptz not null default now());
