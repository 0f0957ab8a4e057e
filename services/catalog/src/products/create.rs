//! Creating a product.

use bodega_audit::{Event, Subject};
use bodega_proto::catalog::v1::CreateProductRequest;
use bodega_runtime::{
    auth::Caller,
    database::{Pool, retry_on_conflict},
    money::Currency,
};

use super::{
    db,
    product::{NewProduct, Product},
};
use crate::{AUDIT, categories_and_tags, error::Error};

/// Creates a product, and its category if no category has the requested name.
///
/// # Errors
/// [`Error::Invalid`], also for an unknown category or tag.
pub(crate) async fn create(
    db: &Pool,
    caller: &Caller,
    currency: Currency,
    request: CreateProductRequest,
) -> Result<Product, Error> {
    let (product, category) = NewProduct::parse(request, currency)?;
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        let (category_id, unknown) =
            categories_and_tags::lock_for_product(&mut transaction, category.as_ref(), &product.tag_ids)
                .await?;
        unknown.finish()?;
        let product = NewProduct { category_id, ..product.clone() };
        let ids = db::products::insert(&mut transaction, currency, &[product]).await?;
        let created = db::products::find_variants(&mut *transaction, &ids).await?.pop();
        let created = created.ok_or(sqlx::Error::RowNotFound)?;
        let event = Event::new("product.created", caller).on(Subject::new("product", created.id));
        AUDIT.record(&mut transaction, event.change(None, Some(&created.audited()))).await?;
        transaction.commit().await?;
        Ok(created)
    })
    .await
}
