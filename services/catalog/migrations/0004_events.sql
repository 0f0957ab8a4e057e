-- The publisher of `product.changed` follows the same record of changes as the caches (0002). Its position is stored, and
-- events carry the state of a product when they are published: so many changes of a product may give one event.

-- The transaction that added a product. Null in rows that are older than this column.
alter table catalog.products add column created_in xid8;
alter table catalog.products alter column created_in set default pg_current_xact_id();
create index products_by_transaction on catalog.products (created_in) where created_in is not null;

-- The replica that publishes, and how far. Others take over when its lease has ended.
create table catalog.event_publisher (
    is_single    boolean primary key default true,
    holder       uuid,
    lease_until  timestamptz not null default '-infinity',
    -- Changes that are visible in this snapshot are published. Null: all products are to be published.
    published    pg_snapshot,
    published_at timestamptz,  -- when that snapshot was taken
    -- Changes up to this snapshot are being published, in the order of the products' ids. Null: none.
    pending      pg_snapshot,
    pending_at   timestamptz,
    after_id     integer not null default 0,  -- products up to this one are done
    constraint there_is_one_publisher check (is_single),
    constraint snapshots_have_a_time check (
        (published is null) = (published_at is null) and (pending is null) = (pending_at is null)
    )
);
insert into catalog.event_publisher default values;
