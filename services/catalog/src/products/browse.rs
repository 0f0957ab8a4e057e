//! Reading products.

use bodega_proto::catalog::v1::{ListProductsRequest, ListProductsResponse};
use bodega_runtime::{page, status::Violations};
use sqlx::PgPool;
use tokio::sync::OnceCell;

use crate::{
    error::Error,
    listing::{Filter, Words},
    product::Product,
    store::{listing, shown, trigrams},
};

/// Products that can be asked for by id at once.
const MAX_BATCH: usize = 200;

/// Finds products.
pub(crate) struct Finder {
    db: PgPool,
    /// The schema of pg_trgm, if any; looked up once.
    trigrams: OnceCell<Option<String>>,
}

impl Finder {
    /// Over the products in `db`.
    pub(crate) fn new(db: PgPool) -> Self {
        Self { db, trigrams: OnceCell::new() }
    }

    /// A page of products: one statement, none for a query without words; one more for the first search of all.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Page`].
    pub(crate) async fn list(&self, request: ListProductsRequest) -> Result<ListProductsResponse, Error> {
        let filter = Filter::parse(request)?;
        let trigrams = match &filter.words {
            Some(words) if words.as_slice().is_empty() => return Ok(ListProductsResponse::default()),
            Some(words) if words.as_slice().iter().any(|word| Words::may_have_typos(word)) => {
                self.trigrams.get_or_try_init(|| trigrams::schema(&self.db)).await?.as_deref()
            }
            Some(_) | None => None,
        };
        let mut listed = listing::page(&self.db, &filter, trigrams).await?;
        let next_cursor = page::cut(&mut listed, filter.limit, |last| last.cursor(filter.sort));
        let products = listed.into_iter().map(|listed| listed.product.into()).collect();
        Ok(ListProductsResponse { products, next_cursor })
    }

    /// A product that is sold.
    ///
    /// # Errors
    /// [`Error::ProductNotFound`], also for archived ones.
    pub(crate) async fn get(&self, id: i32) -> Result<Product, Error> {
        let product = shown::by_id(&self.db, id).await?;
        product.filter(|product| !product.archived).ok_or(Error::ProductNotFound)
    }

    /// These products by id, archived ones included.
    ///
    /// # Errors
    /// [`Error::Invalid`] for too many.
    pub(crate) async fn batch_get(&self, ids: &[i32]) -> Result<Vec<Product>, Error> {
        let mut violations = Violations::new();
        violations.require(ids.len() <= MAX_BATCH, "ids", format!("must be at most {MAX_BATCH}"));
        violations.finish()?;
        Ok(shown::by_ids(&self.db, ids).await?)
    }
}
