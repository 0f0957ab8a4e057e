//! `catalog.product_view`: products as readers see them.

use sqlx::{PgExecutor, types::Json};

use crate::product::{Image, Product, Tag};

/// The products with these ids, by id; archived ones included.
pub(crate) async fn by_ids(db: impl PgExecutor<'_>, ids: &[i32]) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as!(
        Product,
        r#"select id as "id!", name as "name!", description as "description!", price_minor as "price_minor!",
                  currency as "currency!", stock as "stock!", version as "version!", archived as "archived!",
                  created_at as "created_at!", updated_at as "updated_at!", category_id, category_name,
                  tags as "tags!: Json<Vec<Tag>>", images as "images!: Json<Vec<Image>>"
           from catalog.product_view
           where id = any($1)
           order by id"#,
        ids,
    )
    .fetch_all(db)
    .await
}

/// The product with this id, archived or not.
pub(crate) async fn by_id(db: impl PgExecutor<'_>, id: i32) -> sqlx::Result<Option<Product>> {
    Ok(by_ids(db, &[id]).await?.pop())
}
