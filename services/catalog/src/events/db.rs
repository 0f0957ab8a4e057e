//! `catalog.event_publisher`, and the changes that are to be published.

use bodega_runtime::{database::Pool, timeouts::EVENT_LEASE};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::products::product::{Image, Product, ProductVariant, Tag};

/// Products that are published together.
pub(super) const BATCH: usize = 256;
/// With more changes in a window, all products are published.
const MAX_CHANGES: i64 = 10_000;

/// The state of the publisher, and the changes that are not published.
pub(super) struct Poll {
    /// The snapshot of this poll.
    pub(super) snapshot: String,
    pub(super) published: Option<String>,
    pub(super) pending: Option<String>,
    pub(super) after_id: i32,
    /// Whether no other replica publishes.
    pub(super) is_free: bool,
    /// Whether changes after `published` may be deleted already, or have other numbers, as in a restored database.
    pub(super) is_outdated: bool,
    /// Whether `published` must advance soon, lest it becomes outdated.
    pub(super) is_old: bool,
    /// Number of changes, at most a little more than [`MAX_CHANGES`] of each kind.
    pub(super) changes: i64,
    /// Whether there is a change of any number of products.
    pub(super) everything_changed: bool,
}

impl Poll {
    pub(super) fn is_too_large(&self) -> bool {
        self.everything_changed || self.changes > MAX_CHANGES
    }
}

/// The changes that are visible in `pending`, but not in `published` (all products if `None`).
pub(super) struct Window {
    pub(super) published: Option<String>,
    pub(super) pending: String,
    /// Products up to this one are done.
    pub(super) after_id: i32,
}

/// The next products of a window.
pub(super) struct Chunk {
    pub(super) window: Window,
    pub(super) ids: Vec<i32>,
    pub(super) is_last: bool,
}

/// Returns the state of the publisher. Changes are deleted after 24 hours.
pub(super) async fn poll(db: &Pool, holder: Uuid) -> sqlx::Result<Poll> {
    sqlx::query_as!(
        Poll,
        r#"with recorded as materialized (
               (
                   select kind from catalog.changes
                   where changed_in >= (select pg_snapshot_xmin(published) from catalog.event_publisher where is_single)
                     and changed_in < pg_snapshot_xmax(pg_current_snapshot())
                     and not pg_visible_in_snapshot(
                         changed_in, (select published from catalog.event_publisher where is_single)
                     )
                   order by changed_in limit $2::bigint + 1
               )
               union all
               (
                   select 'product' from catalog.stock_movements
                   where changed_in >= (select pg_snapshot_xmin(published) from catalog.event_publisher where is_single)
                     and changed_in < pg_snapshot_xmax(pg_current_snapshot())
                     and not pg_visible_in_snapshot(
                         changed_in, (select published from catalog.event_publisher where is_single)
                     )
                   order by changed_in limit $2::bigint + 1
               )
               union all
               (
                   select 'product' from catalog.products
                   where created_in >= (select pg_snapshot_xmin(published) from catalog.event_publisher where is_single)
                     and created_in < pg_snapshot_xmax(pg_current_snapshot())
                     and not pg_visible_in_snapshot(
                         created_in, (select published from catalog.event_publisher where is_single)
                     )
                   order by created_in limit $2::bigint + 1
               )
           )
           select pg_current_snapshot()::text as "snapshot!", p.published::text, p.pending::text, p.after_id,
                  (p.holder is not distinct from $1 or p.lease_until <= now()) as "is_free!",
                  coalesce(
                      p.published_at < now() - interval '23 hours'
                      or pg_snapshot_xmax(p.published) > pg_snapshot_xmax(pg_current_snapshot()),
                      false
                  ) as "is_outdated!",
                  coalesce(p.published_at < now() - interval '1 hour', false) as "is_old!",
                  (select count(*) from recorded) as "changes!",
                  exists (select from recorded where kind = 'all') as "everything_changed!"
           from catalog.event_publisher p
           where p.is_single"#,
        holder,
        MAX_CHANGES,
    )
    .fetch_one(db)
    .await
}

/// Takes the lease and starts or continues a window. Returns false if another replica has done so since the poll.
pub(super) async fn open(db: &Pool, holder: Uuid, poll: &Poll, window: &Window) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update catalog.event_publisher
         set holder = $1, lease_until = now() + make_interval(secs => $2), after_id = $3,
             published = $4::text::pg_snapshot, published_at = case when $4::text is not null then published_at end,
             pending = $5::text::pg_snapshot,
             pending_at = case when pending::text is not distinct from $5::text then pending_at else now() end
         where is_single and (holder = $1 or lease_until <= now())
           and published::text is not distinct from $6::text and pending::text is not distinct from $7::text",
        holder,
        EVENT_LEASE.as_secs_f64(),
        window.after_id,
        window.published.as_deref() as Option<&str>,
        window.pending,
        poll.published.as_deref() as Option<&str>,
        poll.pending.as_deref() as Option<&str>,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Returns the next products that have changed in a window, as they are now.
pub(super) async fn changed_products(
    db: &Pool,
    published: &str,
    window: &Window,
) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as!(
        Product,
        r#"with changed as (
               select product_id from catalog.changes
               where changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)
                 and changed_in < pg_snapshot_xmax($2::text::pg_snapshot)
                 and not pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)
                 and pg_visible_in_snapshot(changed_in, $2::text::pg_snapshot)
                 and product_id > $3
               union
               select product_id from catalog.stock_movements
               where changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)
                 and changed_in < pg_snapshot_xmax($2::text::pg_snapshot)
                 and not pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)
                 and pg_visible_in_snapshot(changed_in, $2::text::pg_snapshot)
                 and product_id > $3
               union
               select id from catalog.products
               where created_in >= pg_snapshot_xmin($1::text::pg_snapshot)
                 and created_in < pg_snapshot_xmax($2::text::pg_snapshot)
                 and not pg_visible_in_snapshot(created_in, $1::text::pg_snapshot)
                 and pg_visible_in_snapshot(created_in, $2::text::pg_snapshot)
                 and id > $3
           ), ids as (
               -- A change of a variant is one of its product, whose id is smaller.
               select distinct coalesce(p.variant_of, p.id) as product_id
               from changed join catalog.products p on p.id = changed.product_id
               where coalesce(p.variant_of, p.id) > $3
               order by product_id limit $4
           )
           select id as "id!", name as "name!", description as "description!", price_minor as "price_minor!",
                  currency as "currency!", stock as "stock!", version as "version!", archived as "archived!",
                  created_at as "created_at!", updated_at as "updated_at!", category_id, category_name,
                  tags as "tags!: Json<Vec<Tag>>", images as "images!: Json<Vec<Image>>", price_max_minor,
                  option_names as "option_names!", variant_count as "variant_count!",
                  variants as "variants!: Json<Vec<ProductVariant>>"
           from catalog.product_view
           where id in (select product_id from ids)
           order by id"#,
        published,
        window.pending,
        window.after_id,
        BATCH as i64,
    )
    .fetch_all(db)
    .await
}

/// Returns the next of all products.
pub(super) async fn all_products(db: &Pool, after_id: i32) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as!(
        Product,
        r#"select id as "id!", name as "name!", description as "description!", price_minor as "price_minor!",
                  currency as "currency!", stock as "stock!", version as "version!", archived as "archived!",
                  created_at as "created_at!", updated_at as "updated_at!", category_id, category_name,
                  tags as "tags!: Json<Vec<Tag>>", images as "images!: Json<Vec<Image>>", price_max_minor,
                  option_names as "option_names!", variant_count as "variant_count!",
                  variants as "variants!: Json<Vec<ProductVariant>>"
           from catalog.product_view
           where id in (
               select id from catalog.products where id > $1 and variant_of is null order by id limit $2
           )
           order by id"#,
        after_id,
        BATCH as i64,
    )
    .fetch_all(db)
    .await
}

/// Records that the products of a window up to `after_id` are published. Ends the window if it is complete.
pub(super) async fn advance(
    db: &Pool,
    holder: Uuid,
    window: &Window,
    after_id: i32,
    is_complete: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update catalog.event_publisher
         set after_id = case when $4 then 0 else $3 end,
             published = case when $4 then pending else published end,
             published_at = case when $4 then pending_at else published_at end,
             pending = case when $4 then null else pending end,
             pending_at = case when $4 then null else pending_at end
         where is_single and holder = $1 and pending::text = $2",
        holder,
        window.pending,
        after_id,
        is_complete,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Returns when the first change was made that is not published.
pub(super) async fn oldest(db: &Pool) -> sqlx::Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!(
        "select least(
             (select pending_at from catalog.event_publisher where is_single),
             (
                 select created_at from catalog.changes
                 where changed_in >= (select pg_snapshot_xmin(published) from catalog.event_publisher where is_single)
                   and not pg_visible_in_snapshot(
                       changed_in, (select published from catalog.event_publisher where is_single)
                   )
                 order by changed_in limit 1
             ),
             (
                 select created_at from catalog.stock_movements
                 where changed_in >= (select pg_snapshot_xmin(published) from catalog.event_publisher where is_single)
                   and not pg_visible_in_snapshot(
                       changed_in, (select published from catalog.event_publisher where is_single)
                   )
                 order by changed_in limit 1
             )
         )"
    )
    .fetch_one(db)
    .await
}
