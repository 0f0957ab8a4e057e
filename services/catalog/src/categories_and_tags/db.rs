//! `catalog.categories` and `catalog.tags`.

use sqlx::PgExecutor;

use super::category_or_tag::Kind;

#[derive(Clone, Debug)]
pub(crate) struct CategoryOrTag {
    pub(crate) id: i32,
    pub(crate) name: String,
    /// Products that are sold; archived ones are not counted.
    pub(crate) product_count: i64,
}

/// Returns at most `limit` rows with an id above `after`, ordered by id.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    kind: Kind,
    after: i32,
    limit: i64,
) -> sqlx::Result<Vec<CategoryOrTag>> {
    match kind {
        Kind::Category => {
            sqlx::query_as!(
                CategoryOrTag,
                r#"select id as "id!", name as "name!", product_count as "product_count!"
                   from catalog.category_view where id > $1 order by id limit $2"#,
                after,
                limit,
            )
            .fetch_all(db)
            .await
        }
        Kind::Tag => {
            sqlx::query_as!(
                CategoryOrTag,
                r#"select id as "id!", name as "name!", product_count as "product_count!"
                   from catalog.tag_view where id > $1 order by id limit $2"#,
                after,
                limit,
            )
            .fetch_all(db)
            .await
        }
    }
}

pub(crate) async fn find(
    db: impl PgExecutor<'_>,
    kind: Kind,
    id: i32,
) -> sqlx::Result<Option<CategoryOrTag>> {
    match kind {
        Kind::Category => {
            sqlx::query_as!(
                CategoryOrTag,
                r#"select id as "id!", name as "name!", product_count as "product_count!"
                   from catalog.category_view where id = $1"#,
                id,
            )
            .fetch_optional(db)
            .await
        }
        Kind::Tag => {
            sqlx::query_as!(
                CategoryOrTag,
                r#"select id as "id!", name as "name!", product_count as "product_count!"
                   from catalog.tag_view where id = $1"#,
                id,
            )
            .fetch_optional(db)
            .await
        }
    }
}

pub(crate) async fn insert(db: impl PgExecutor<'_>, kind: Kind, name: &str) -> sqlx::Result<CategoryOrTag> {
    let id = match kind {
        Kind::Category => {
            sqlx::query_scalar!("insert into catalog.categories (name) values ($1) returning id", name)
                .fetch_one(db)
                .await?
        }
        Kind::Tag => {
            sqlx::query_scalar!("insert into catalog.tags (name) values ($1) returning id", name)
                .fetch_one(db)
                .await?
        }
    };
    Ok(CategoryOrTag { id, name: name.to_owned(), product_count: 0 })
}

/// Returns `false` if there is no row with this id.
pub(crate) async fn rename(db: impl PgExecutor<'_>, kind: Kind, id: i32, name: &str) -> sqlx::Result<bool> {
    let renamed = match kind {
        Kind::Category => {
            sqlx::query!("update catalog.categories set name = $2 where id = $1", id, name)
                .execute(db)
                .await?
        }
        Kind::Tag => {
            sqlx::query!("update catalog.tags set name = $2 where id = $1", id, name).execute(db).await?
        }
    };
    Ok(renamed.rows_affected() == 1)
}

/// Raises the version of each product of a locked category or tag. Must be a statement of its own after the lock, so
/// that it sees products that got the category or tag just before it was locked.
pub(crate) async fn raise_versions_of_products(
    db: impl PgExecutor<'_>,
    kind: Kind,
    id: i32,
) -> sqlx::Result<()> {
    match kind {
        Kind::Category => {
            sqlx::query!(
                "with locked as (
                     select id from catalog.products where category_id = $1 order by id for no key update
                 )
                 update catalog.products p
                 set version = p.version + 1, details_version = p.version + 1
                 from locked where p.id = locked.id",
                id,
            )
            .execute(db)
            .await?;
        }
        Kind::Tag => {
            sqlx::query!(
                "with locked as (
                     select id from catalog.products
                     where id in (select product_id from catalog.product_tags where tag_id = $1)
                     order by id for no key update
                 )
                 update catalog.products p
                 set version = p.version + 1, details_version = p.version + 1
                 from locked where p.id = locked.id",
                id,
            )
            .execute(db)
            .await?;
        }
    }
    Ok(())
}

/// Returns `false` if there is no row with this id.
pub(crate) async fn lock_for_delete(db: impl PgExecutor<'_>, kind: Kind, id: i32) -> sqlx::Result<bool> {
    let locked = match kind {
        Kind::Category => {
            sqlx::query_scalar!("select id from catalog.categories where id = $1 for update", id)
                .fetch_optional(db)
                .await?
        }
        Kind::Tag => {
            sqlx::query_scalar!("select id from catalog.tags where id = $1 for update", id)
                .fetch_optional(db)
                .await?
        }
    };
    Ok(locked.is_some())
}

/// Deletes the row. Foreign keys remove it from its products.
pub(crate) async fn delete(db: impl PgExecutor<'_>, kind: Kind, id: i32) -> sqlx::Result<()> {
    match kind {
        Kind::Category => {
            sqlx::query!("delete from catalog.categories where id = $1", id).execute(db).await?
        }
        Kind::Tag => sqlx::query!("delete from catalog.tags where id = $1", id).execute(db).await?,
    };
    Ok(())
}

/// Locks rows against changes, in order of id. Returns the ids that exist.
pub(crate) async fn lock_for_share(
    db: impl PgExecutor<'_>,
    kind: Kind,
    ids: &[i32],
) -> sqlx::Result<Vec<i32>> {
    match kind {
        Kind::Category => {
            sqlx::query_scalar!(
                "select id from catalog.categories where id = any($1) order by id for share",
                ids
            )
            .fetch_all(db)
            .await
        }
        Kind::Tag => {
            sqlx::query_scalar!("select id from catalog.tags where id = any($1) order by id for share", ids)
                .fetch_all(db)
                .await
        }
    }
}

/// Returns the ids of these names, in the same order. Creates those that do not exist.
pub(crate) async fn find_or_create(
    db: impl PgExecutor<'_>,
    kind: Kind,
    names: &[String],
) -> sqlx::Result<Vec<i32>> {
    match kind {
        Kind::Category => {
            sqlx::query_scalar!(
                r#"with wanted as (
                       select name, lower(name) as key, ordinal
                       from unnest($1::text[]) with ordinality as w (name, ordinal)
                   ), found as (
                       select id, lower(name) as key from catalog.categories
                       where lower(name) in (select key from wanted)
                   ), created as (
                       insert into catalog.categories as c (name)
                       select distinct on (key) name from wanted
                       where key not in (select key from found)
                       order by key, ordinal
                       on conflict (lower(name)) do update -- created concurrently
                       set name = c.name
                       returning id, lower(name) as key
                   )
                   select id as "id!"
                   from wanted join (select * from found union all select * from created) rows using (key)
                   order by ordinal"#,
                names,
            )
            .fetch_all(db)
            .await
        }
        Kind::Tag => {
            sqlx::query_scalar!(
                r#"with wanted as (
                       select name, lower(name) as key, ordinal
                       from unnest($1::text[]) with ordinality as w (name, ordinal)
                   ), found as (
                       select id, lower(name) as key from catalog.tags
                       where lower(name) in (select key from wanted)
                   ), created as (
                       insert into catalog.tags as t (name)
                       select distinct on (key) name from wanted
                       where key not in (select key from found)
                       order by key, ordinal
                       on conflict (lower(name)) do update -- created concurrently
                       set name = t.name
                       returning id, lower(name) as key
                   )
                   select id as "id!"
                   from wanted join (select * from found union all select * from created) rows using (key)
                   order by ordinal"#,
                names,
            )
            .fetch_all(db)
            .await
        }
    }
}
