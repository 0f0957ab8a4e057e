//! Listing products.

use bodega_proto::catalog::v1::ListProductsRequest;
use bodega_runtime::{database::Pool, page, timeouts};
use tokio::sync::OnceCell;

use super::{db, filter::Filter, words::Words};
use crate::{error::Error, products::Product};

/// Connections for searches: they take longer than other calls, and must not delay those.
const SEARCH_CONNECTIONS: u32 = 2;

pub(crate) struct Listing {
    db: Pool,
    searches: Pool,
    /// The schema of pg_trgm, read once; contains `None` if the extension is not installed.
    trigram_schema: OnceCell<Option<String>>,
}

impl Listing {
    pub(crate) fn new(db: Pool) -> Self {
        let timeout = format!("{}ms", timeouts::SEARCH_STATEMENT.as_millis());
        let settings = [
            // Of two settings with the same name, the last one counts.
            ("statement_timeout", &*timeout),
            // Workers would use more than the connections.
            ("max_parallel_workers_per_gather", "0"),
            ("jit", "off"),
            // The index of words keeps the matches of a prefix in memory, and is slow if they do not fit.
            ("work_mem", "16MB"),
        ];
        let options =
            db.connect_options().clone().options(settings).application_name("bodega-catalog-search");
        let searches = Pool::new(options, SEARCH_CONNECTIONS, timeouts::SEARCH_ACQUIRE);
        Self { db, searches, trigram_schema: OnceCell::new() }
    }

    /// Returns a page of products, and the cursor of the next page, which is empty on the last one. Executes one
    /// statement, and one more for the first search after the start.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Page`]; [`Error::SearchOverloaded`] for a search that waits too long for a connection or
    /// takes too long.
    pub(crate) async fn list(&self, request: ListProductsRequest) -> Result<(Vec<Product>, String), Error> {
        let filter = Filter::parse(request)?;
        let mut rows = match &filter.words {
            None => db::page(&self.db, &filter, None).await?,
            Some(words) if words.as_slice().is_empty() => return Ok(Default::default()),
            Some(words) => {
                let trigram_schema = if words.as_slice().iter().any(|word| Words::may_have_typos(word)) {
                    self.trigram_schema.get_or_try_init(|| db::trigram_schema(&self.db)).await?.as_deref()
                } else {
                    None
                };
                db::page(&self.searches, &filter, trigram_schema).await.map_err(search_error)?
            }
        };
        let next_cursor = page::truncate(&mut rows, filter.limit, |last| last.cursor(filter.sort));
        Ok((rows.into_iter().map(|row| row.product).collect(), next_cursor))
    }
}

fn search_error(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|error| error.code());
    // Canceled by the statement timeout.
    if matches!(error, sqlx::Error::PoolTimedOut) || code.is_some_and(|code| code == "57014") {
        return Error::SearchOverloaded;
    }
    error.into()
}
