//! The cache of products: what it returns while its stream of changes works, and while it does not.

mod fake_catalog;
mod variants;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bodega_proto::catalog::v1::ListProductsRequest;
use bodega_runtime::{
    product_cache::{self, CachedPage},
    timeouts::{CHANGE_PING, CHANGE_WAIT, FRESHNESS, MAX_STALENESS},
};
use futures_util::future::join_all;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::fake_catalog::{FakeCatalog, Mode};

type ProductCache = product_cache::ProductCache<String, String>;

const CACHE_BYTES: usize = 1024 * 1024;
/// A time in which a busy machine does a little work.
const RESERVE: Duration = Duration::from_secs(5);

/// A cache that follows a fake catalog.
struct TestCache {
    catalog: FakeCatalog,
    cache: ProductCache,
    _shutdown: DropGuard,
}

impl TestCache {
    async fn start() -> Self {
        Self::start_with(CACHE_BYTES).await
    }

    /// Starts a cache, and waits until it follows the catalog.
    async fn start_with(max_bytes: usize) -> Self {
        let catalog = FakeCatalog::new();
        let cache = ProductCache::new("tests", catalog.transport(), max_bytes, |_| {});
        let shutdown = CancellationToken::new();
        tokio::spawn(cache.clone().watch(shutdown.clone()));
        let test = Self { catalog, cache, _shutdown: shutdown.drop_guard() };
        test.wait_until_cached().await;
        test
    }

    /// Waits until a read makes no call, and leaves nothing in the cache.
    async fn wait_until_cached(&self) {
        let started = Instant::now();
        loop {
            self.catalog.take_calls();
            self.get(100).await;
            if self.catalog.take_calls() == 0 {
                break;
            }
            assert!(started.elapsed() < RESERVE, "the cache follows the catalog");
            sleep(Duration::from_millis(5)).await;
        }
        self.cache.forget([100]);
    }

    /// Returns price and stock of a product.
    async fn get(&self, id: i32) -> (i64, i32) {
        let product = self.cache.get(id).await.unwrap();
        (product.details().price_minor, product.stock())
    }

    /// Returns id and stock of each product of the first page of three.
    async fn page(&self, in_stock: Option<bool>) -> Vec<(i32, i32)> {
        let key = format!("{in_stock:?}");
        let page = match self.cache.page(&key).await {
            Some(CachedPage::Products(page)) => page,
            Some(CachedPage::Rendered(_)) => panic!("nothing was rendered"),
            None => {
                let request = ListProductsRequest { limit: 3, in_stock, ..ListProductsRequest::default() };
                self.cache.list(&key, request).await.unwrap()
            }
        };
        assert_eq!(page.response.next_cursor, "next");
        page.products.iter().map(|product| (product.id(), product.stock())).collect()
    }
}

#[tokio::test]
async fn repeated_reads_make_no_call() {
    let test = TestCache::start().await;
    for _ in 0..10 {
        assert_eq!(test.get(1).await, (100, 100));
        assert_eq!(test.page(None).await, [(1, 100), (2, 100), (3, 100)]);
        assert_eq!(test.cache.batch_get(&[2, 3, 7]).await.unwrap().len(), 3);
    }
    assert_eq!(test.catalog.take_calls(), 3, "the product, the page, and product 7");
    assert_eq!(test.cache.batch_get(&[2, 1000]).await.unwrap().len(), 1, "an unknown id is left out");
}

#[tokio::test]
async fn changes_of_stock_are_applied_without_a_call() {
    let test = TestCache::start().await;
    test.page(None).await;
    test.catalog.take_calls();
    for stock in (0..50).rev() {
        test.catalog.set_stock(2, stock);
        test.catalog.applied().await;
        assert_eq!(test.get(2).await, (100, stock));
        assert_eq!(test.page(None).await, [(1, 100), (2, stock), (3, 100)]);
    }
    assert_eq!(test.catalog.take_calls(), 0);
    assert_eq!(test.page(Some(true)).await, [(1, 100), (3, 100), (4, 100)]);
    test.catalog.set_stock(2, 5);
    test.catalog.applied().await;
    assert_eq!(test.page(Some(true)).await, [(1, 100), (2, 5), (3, 100)], "in stock again");
}

#[tokio::test]
async fn other_changes_are_read_again() {
    let test = TestCache::start().await;
    test.get(1).await;
    test.get(2).await;
    test.page(None).await;
    test.catalog.take_calls();
    test.catalog.set_price(1, 700);
    test.catalog.applied().await;
    assert_eq!((test.get(1).await, test.get(2).await), ((700, 100), (100, 100)));
    assert_eq!(test.catalog.take_calls(), 1);
    test.page(None).await;
    assert_eq!(test.catalog.take_calls(), 1, "a price may change the order of a list");

    test.catalog.rename_all("New");
    test.catalog.applied().await;
    assert_eq!(test.cache.get(2).await.unwrap().details().name, "New");
}

#[tokio::test]
async fn a_rendering_is_returned_until_a_product_of_the_page_changes() {
    let test = TestCache::start().await;
    let render = async || {
        test.page(None).await;
        let Some(CachedPage::Products(page)) = test.cache.page("None").await else { panic!("not rendered") };
        test.cache.set_rendered("None", &page, Arc::new(format!("{:?}", page.products[0].stock())), 100);
    };
    let rendered = async || match test.cache.page("None").await {
        Some(CachedPage::Rendered(page)) => Some(page.to_string()),
        Some(CachedPage::Products(_)) | None => None,
    };
    render().await;
    assert_eq!(rendered().await.as_deref(), Some("100"));
    test.get(50).await;
    test.catalog.set_stock(50, 1);
    test.catalog.applied().await;
    assert_eq!(rendered().await.as_deref(), Some("100"), "another product changed");
    test.catalog.set_stock(1, 99);
    test.catalog.applied().await;
    assert_eq!(rendered().await, None);
    render().await;
    assert_eq!(rendered().await.as_deref(), Some("99"));
}

/// A client sees each change within the limit, also if the stream does not work.
#[tokio::test]
async fn no_mode_of_the_stream_delays_a_change_beyond_the_limit() {
    for mode in [
        Mode::Healthy,
        Mode::Silent,
        Mode::Frozen,
        Mode::Cut,
        Mode::Delayed(Duration::from_millis(30)),
        Mode::Delayed(Duration::from_millis(300)),
        Mode::Delayed(Duration::from_millis(1_000)),
    ] {
        let test = TestCache::start().await;
        test.get(1).await;
        test.page(None).await;
        test.catalog.set_mode(mode);
        for round in 1..=10 {
            // Reads keep the cache fresh, if anything does.
            let until = Instant::now() + Duration::from_millis(37 * round);
            while Instant::now() < until {
                test.get(1).await;
                test.page(None).await;
                sleep(Duration::from_millis(2)).await;
            }
            let stock = 100 - i32::try_from(round).unwrap();
            test.catalog.set_stock(1, stock);
            let changed = Instant::now();
            loop {
                let started = Instant::now();
                let (product, page) = (test.get(1).await.1, test.page(None).await[0].1);
                if (product, page) == (stock, stock) {
                    break;
                }
                assert!(
                    started - changed < MAX_STALENESS,
                    "{mode:?}: {:?} after the change",
                    started - changed
                );
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

#[tokio::test]
async fn reads_during_an_outage_of_the_stream_call_the_catalog() {
    let test = TestCache::start().await;
    test.get(1).await;
    test.catalog.set_mode(Mode::Frozen);
    sleep(FRESHNESS).await;
    test.catalog.take_calls();
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(test.get(1).await, (100, 100));
    }
    assert_eq!(test.catalog.take_calls(), 3);
    assert!(started.elapsed() < 3 * CHANGE_WAIT + RESERVE);

    test.catalog.set_mode(Mode::Healthy);
    test.wait_until_cached().await;
}

#[tokio::test]
async fn changes_during_a_disconnection_are_not_missed() {
    let test = TestCache::start().await;
    test.get(1).await;
    test.get(2).await;
    test.catalog.set_mode(Mode::Cut);
    test.catalog.set_price(1, 700);
    sleep(FRESHNESS).await;
    assert_eq!(test.get(1).await, (700, 100));
    test.catalog.set_mode(Mode::Healthy);
    test.wait_until_cached().await;
    assert_eq!((test.get(1).await, test.get(2).await), ((700, 100), (100, 100)));
}

#[tokio::test]
async fn an_idle_cache_sends_no_ping() {
    let test = TestCache::start().await;
    test.get(1).await;
    sleep(3 * CHANGE_PING).await;
    let pings = test.catalog.pings();
    sleep(5 * CHANGE_PING).await;
    assert_eq!(test.catalog.pings(), pings);
    test.catalog.take_calls();
    test.get(1).await;
    assert_eq!(
        (test.catalog.pings(), test.catalog.take_calls()),
        (pings + 1, 0),
        "the first read waits for a ping"
    );
}

#[tokio::test]
async fn concurrent_misses_share_a_call() {
    let test = TestCache::start().await;
    test.catalog.set_delay(Duration::from_millis(50));
    test.catalog.take_calls();
    join_all((0..50).map(|_| test.get(1))).await;
    assert_eq!(test.catalog.take_calls(), 1);
    join_all((0..50).map(|_| test.page(None))).await;
    assert_eq!(test.catalog.take_calls(), 1);
    join_all((0..50).map(|_| test.cache.batch_get(&[7, 8, 9]))).await;
    assert_eq!(test.catalog.take_calls(), 1);
}

#[tokio::test]
async fn a_read_that_a_change_overtook_is_not_kept() {
    let test = TestCache::start().await;
    test.catalog.set_delay(Duration::from_millis(100));
    let (early, ()) = tokio::join!(test.get(1), async {
        sleep(Duration::from_millis(30)).await;
        test.catalog.set_stock(1, 7);
        test.catalog.applied().await;
        // A read that begins now must not get the result of the one in progress.
        assert_eq!(test.get(1).await, (100, 7));
    });
    assert_eq!(early, (100, 100));
    assert_eq!(test.get(1).await, (100, 7));
}

#[tokio::test]
async fn a_read_after_an_order_is_not_older_than_the_order() {
    let test = TestCache::start().await;
    test.catalog.set_mode(Mode::Silent);
    test.get(1).await;
    test.get(2).await;
    let version = test.catalog.set_stock(1, 7);
    test.cache.raise_floor(1, version);
    assert_eq!(test.get(1).await, (100, 7));
    test.catalog.set_stock(2, 8);
    test.cache.forget([2]);
    assert_eq!(test.get(2).await, (100, 8));

    // Also if the product is being read.
    test.cache.forget([1]);
    test.catalog.set_delay(Duration::from_millis(100));
    tokio::join!(test.get(1), async {
        sleep(Duration::from_millis(30)).await;
        let version = test.catalog.set_stock(1, 6);
        test.cache.raise_floor(1, version);
        assert_eq!(test.get(1).await, (100, 6));
    });
}

#[tokio::test]
async fn the_call_continues_when_its_first_reader_is_gone() {
    let test = TestCache::start().await;
    test.catalog.set_delay(Duration::from_millis(50));
    test.catalog.take_calls();
    let first = tokio::time::timeout(Duration::from_millis(10), test.get(1));
    let (first, second) = tokio::join!(first, test.get(1));
    assert!(first.is_err());
    assert_eq!((second, test.catalog.take_calls()), ((100, 100), 1));
}

#[tokio::test]
async fn the_weight_is_bounded() {
    let max = 20_000;
    let test = TestCache::start_with(max).await;
    for id in 1..=100 {
        test.get(id).await;
        let key = format!("page {id}");
        let request = ListProductsRequest { limit: 3, ..ListProductsRequest::default() };
        let page = test.cache.list(&key, request).await.unwrap();
        test.cache.set_rendered(&key, &page, Arc::new(String::new()), 1_000);
        assert!(test.cache.weight() <= max, "{}", test.cache.weight());
    }
    assert!(test.cache.weight() > max / 2, "{}", test.cache.weight());
    // The stock of a page whose products were removed is current.
    test.catalog.set_stock(2, 1);
    test.catalog.applied().await;
    assert_eq!(test.page(None).await[1], (2, 1));
}
