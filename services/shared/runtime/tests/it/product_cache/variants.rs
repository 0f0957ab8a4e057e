//! Products of lists without their variants.

use bodega_proto::catalog::v1::ListProductsRequest;
use bodega_runtime::product_cache::CachedPage;

use super::TestCache;

#[tokio::test]
async fn products_of_a_list_without_variants_are_not_taken_for_products_without_variants() {
    let test = TestCache::start().await;
    // The number of variants of each product of a page, and of calls.
    let list = async |omit_variants: bool| {
        test.catalog.take_calls();
        let key = format!("omit {omit_variants}");
        let page = match test.cache.page(&key).await {
            Some(CachedPage::Products(page)) => page,
            Some(CachedPage::Rendered(_)) => panic!("nothing was rendered"),
            None => {
                let request = ListProductsRequest { limit: 3, omit_variants, ..Default::default() };
                test.cache.list(&key, request).await.unwrap()
            }
        };
        let variants = page.products.iter().map(|product| product.details().variants.len());
        (variants.collect::<Vec<_>>(), test.catalog.take_calls())
    };
    for _ in 0..2 {
        assert_eq!(list(true).await, (vec![0; 3], 1));
        assert_eq!(list(true).await, (vec![0; 3], 0));
        assert_eq!(test.cache.get(1).await.unwrap().details().variants.len(), 1);
        assert_eq!(test.cache.batch_get(&[1, 2]).await.unwrap()[&2].details().variants.len(), 1);
        assert_eq!(test.catalog.take_calls(), 2);
        assert_eq!(list(true).await, (vec![1, 1, 0], 0), "the products with variants are newer");
        assert_eq!(list(false).await, (vec![1; 3], 1));
        assert_eq!(list(false).await, (vec![1; 3], 0));
        assert_eq!(list(true).await.1, 0);
        assert_eq!((test.get(3).await, test.catalog.take_calls()), ((100, 100), 0));
        // Another list does not replace them.
        test.cache
            .list("other", ListProductsRequest { limit: 3, omit_variants: true, ..Default::default() })
            .await
            .unwrap();
        assert_eq!(list(false).await, (vec![1; 3], 0));
        test.catalog.rename_all("New");
        test.catalog.applied().await;
    }
    // A page with variants is read again after one without has replaced a product.
    list(false).await;
    test.catalog.set_stock(1, 7);
    test.cache.forget([1]);
    test.cache
        .list("other", ListProductsRequest { limit: 3, omit_variants: true, ..Default::default() })
        .await
        .unwrap();
    assert_eq!(list(false).await, (vec![1; 3], 1));
}
