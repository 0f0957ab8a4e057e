//! Listing products.

use std::sync::LazyLock;

use bodega_proto::catalog::v1::ListProductsRequest;
use bodega_runtime::{database::Pool, page, timeouts};
use tokio::sync::OnceCell;

use super::{db, filter::Filter, words::Words};
use crate::{error::Error, products::Product};

/// Connections for searches: they take longer than other calls, and must not delay those.
const SEARCH_CONNECTIONS: u32 = 2;

/// Settings of the sessions, or behind a pooler of the transactions, of searches.
static SEARCH_SETTINGS: LazyLock<[(&str, String); 4]> = LazyLock::new(|| {
    [
        ("statement_timeout", format!("{}ms", timeouts::SEARCH_STATEMENT.as_millis())),
        // Workers would use more than the connections.
        ("max_parallel_workers_per_gather", "0".to_owned()),
        ("jit", "off".to_owned()),
        // The index of words keeps the matches of a prefix in memory, and is slow if they do not fit.
        ("work_mem", "16MB".to_owned()),
    ]
});
/// Begins the transaction of a search.
static BEGIN_SEARCH: LazyLock<String> = LazyLock::new(|| {
    let settings = SEARCH_SETTINGS.iter().map(|(name, value)| format!("; set local {name} = '{value}'"));
    format!("begin{}", settings.collect::<String>())
});

pub(crate) struct Listing {
    db: Pool,
    searches: Pool,
    /// The schema of pg_trgm, read once; contains `None` if the extension is not installed.
    trigram_schema: OnceCell<Option<String>>,
}

impl Listing {
    pub(crate) fn new(db: Pool) -> Self {
        let options = db.connect_options().clone().application_name("bodega-catalog-search");
        let searches = if db.is_behind_pooler() {
            Pool::behind_pooler(options, SEARCH_CONNECTIONS, timeouts::SEARCH_ACQUIRE)
        } else {
            // Of two settings with the same name, the last one counts.
            let settings = SEARCH_SETTINGS.iter().map(|(name, value)| (name, value));
            Pool::new(options.options(settings), SEARCH_CONNECTIONS, timeouts::SEARCH_ACQUIRE)
        };
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
            None => db::page(&self.db, "begin", &filter, None).await?,
            Some(words) if words.as_slice().is_empty() => return Ok(Default::default()),
            Some(words) => {
                let trigram_schema = if words.as_slice().iter().any(|word| Words::may_have_typos(word)) {
                    self.trigram_schema.get_or_try_init(|| db::trigram_schema(&self.db)).await?.as_deref()
                } else {
                    None
                };
                db::page(&self.searches, &BEGIN_SEARCH, &filter, trigram_schema)
                    .await
                    .map_err(search_error)?
            }
        };
        let mut next_cursor = page::truncate(&mut rows, filter.limit, |last| last.cursor(filter.sort));
        // A page of products with many variants ends before the limit.
        if let Some(last) = rows.last()
            && next_cursor.is_empty()
            && last.is_followed
        {
            next_cursor = page::encode(&last.cursor(filter.sort));
        }
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
