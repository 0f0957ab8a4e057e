//! Listing products.

use bodega_proto::catalog::v1::ListProductsRequest;
use bodega_runtime::{database::Pool, page};
use tokio::sync::OnceCell;

use super::{db, filter::Filter, words::Words};
use crate::{error::Error, products::Product};

pub(crate) struct Listing {
    db: Pool,
    /// The schema of pg_trgm, read once; contains `None` if the extension is not installed.
    trigram_schema: OnceCell<Option<String>>,
}

impl Listing {
    pub(crate) fn new(db: Pool) -> Self {
        Self { db, trigram_schema: OnceCell::new() }
    }

    /// Returns a page of products, and the cursor of the next page, which is empty on the last one. Executes one
    /// statement, and one more for the first search after the start.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Page`].
    pub(crate) async fn list(&self, request: ListProductsRequest) -> Result<(Vec<Product>, String), Error> {
        let filter = Filter::parse(request)?;
        let trigram_schema = match &filter.words {
            Some(words) if words.as_slice().is_empty() => return Ok(Default::default()),
            Some(words) if words.as_slice().iter().any(|word| Words::may_have_typos(word)) => {
                self.trigram_schema.get_or_try_init(|| db::trigram_schema(&self.db)).await?.as_deref()
            }
            Some(_) | None => None,
        };
        let mut rows = db::page(&self.db, &filter, trigram_schema).await?;
        let next_cursor = page::truncate(&mut rows, filter.limit, |last| last.cursor(filter.sort));
        Ok((rows.into_iter().map(|row| row.product).collect(), next_cursor))
    }
}
