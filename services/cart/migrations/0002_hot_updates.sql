-- Each change of a cart sets `updated_at`. An index on that column would make each of these updates write to all indexes of the
-- table. The cleanup needs the day only, which changes at most once a day, so that all other updates of a cart can be
-- heap-only tuples; the fill factors leave room for them on each page.
alter table cart.carts
    add column updated_on date not null generated always as ((updated_at at time zone 'UTC')::date) stored;
alter table cart.carts set (fillfactor = 70);
alter table cart.cart_items set (fillfactor = 85);

drop index cart.guest_carts_by_age;
create index guest_carts_by_day on cart.carts (updated_on) where guest_token_hash is not null;
