//! What categories and tags have in common: all but their tables.

/// The functions of a table of labels.
///
/// - `table`: its name
/// - `product_count`: the number of products that are sold with the label `n`
/// - `product_ids`: the products with the label `$1`, archived ones included
macro_rules! label_store {
    (table: $table:tt, product_count: $product_count:tt, product_ids: $product_ids:tt) => {

        use sqlx::{PgConnection, PgExecutor, PgPool};

        use crate::label::Label;

        /// A page, by id.
        pub(crate) async fn list(
            db: impl PgExecutor<'_>,
            after: i32,
            limit: i64,
        ) -> sqlx::Result<Vec<Label>> {
            sqlx::query_as!(
                Label,
                "select n.id, n.name, (" + $product_count + r#") as "product_count!"
                 from "# + $table + " n
                 where n.id > $1
                 order by n.id
                 limit $2",
                after,
                limit,
            )
            .fetch_all(db)
            .await
        }

        /// One.
        pub(crate) async fn find(db: impl PgExecutor<'_>, id: i32) -> sqlx::Result<Option<Label>> {
            sqlx::query_as!(
                Label,
                "select n.id, n.name, (" + $product_count + r#") as "product_count!"
                 from "# + $table + " n
                 where n.id = $1",
                id,
            )
            .fetch_optional(db)
            .await
        }

        /// Makes one.
        pub(crate) async fn create(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Label> {
            sqlx::query_as!(
                Label,
                "insert into " + $table + r#" (name) values ($1)
                 returning id, name, 0::bigint as "product_count!""#,
                name,
            )
            .fetch_one(db)
            .await
        }

        /// Gives one another name; `None` when it is not there.
        pub(crate) async fn rename(db: &PgPool, id: i32, name: &str) -> sqlx::Result<Option<Label>> {
            let mut transaction = db.begin().await?;
            let renamed = sqlx::query!("update " + $table + " set name = $2 where id = $1", id, name)
                .execute(&mut *transaction)
                .await?;
            if renamed.rows_affected() == 0 {
                return Ok(None);
            }
            touch_products(&mut transaction, id).await?;
            let label = find(&mut *transaction, id).await?;
            transaction.commit().await?;
            Ok(label)
        }

        /// Takes one off its products and deletes it; `false` when it is not there.
        pub(crate) async fn delete(db: &PgPool, id: i32) -> sqlx::Result<bool> {
            let mut transaction = db.begin().await?;
            // No product gets it any more from here on.
            let locked = sqlx::query!("select id from " + $table + " where id = $1 for update", id)
                .fetch_optional(&mut *transaction)
                .await?;
            if locked.is_none() {
                return Ok(false);
            }
            touch_products(&mut transaction, id).await?;
            sqlx::query!("delete from " + $table + " where id = $1", id).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(true)
        }

        /// Raises the version of every product with this label, which is locked: a statement of its own, so that it
        /// sees those who got it before the lock.
        async fn touch_products(db: &mut PgConnection, id: i32) -> sqlx::Result<()> {
            sqlx::query!(
                "with locked as (
                     select id from catalog.products
                     where id in (" + $product_ids + ")
                     order by id
                     for no key update
                 )
                 update catalog.products p
                 set version = p.version + 1
                 from locked
                 where p.id = locked.id",
                id,
            )
            .execute(db)
            .await?;
            Ok(())
        }

        /// Locks those that are there against renames and deletes; their ids.
        pub(crate) async fn lock(db: &mut PgConnection, ids: &[i32]) -> sqlx::Result<Vec<i32>> {
            sqlx::query_scalar!(
                "select id from " + $table + " where id = any($1) order by id for share",
                ids
            )
            .fetch_all(db)
            .await
        }

        /// The ids of the names, in their order. Names that are not there yet are made.
        pub(crate) async fn ids_of(db: impl PgExecutor<'_>, names: &[String]) -> sqlx::Result<Vec<i32>> {
            sqlx::query_scalar!(
                "with wanted as (
                     select name, lower(name) as key, ordinal
                     from unnest($1::text[]) with ordinality as w (name, ordinal)
                 ), found as (
                     select id, lower(name) as key from " + $table + "
                     where lower(name) in (select key from wanted)
                 ), made as (
                     insert into " + $table + " as n (name)
                     select distinct on (key) name from wanted
                     where key not in (select key from found)
                     order by key, ordinal
                     on conflict (lower(name)) do update -- somebody was faster
                     set name = n.name
                     returning id, lower(name) as key
                 )
                 select id as " + r#""id!""# + "
                 from wanted join (select * from found union all select * from made) labels using (key)
                 order by ordinal",
                names,
            )
            .fetch_all(db)
            .await
        }
    };
}

pub(super) use label_store;
