//! Lists of products with many variants.

use bodega_proto::catalog::v1::{ListProductsRequest, Product, ProductSort};

use crate::{
    test_app::{TestApp, product},
    variants::{request, variant},
};

/// Creates mugs with these numbers of variants, and returns their ids.
async fn mugs(app: &TestApp, counts: &[i32]) -> Vec<i32> {
    let mut ids = Vec::new();
    for count in counts {
        let id = app.create(product("Mug")).await.id;
        let variants: Vec<_> = (0..*count)
            .map(|number| variant(&format!("{id}-{number}"), &number.to_string(), 100 + i64::from(number), 1))
            .collect();
        app.put_variants(request(id, &variants)).await.unwrap();
        ids.push(id);
    }
    ids
}

async fn products(app: &TestApp, request: ListProductsRequest) -> (Vec<Product>, String) {
    let response = app.client_of(None).list_products(request).await.unwrap().into_inner();
    (response.products, response.next_cursor)
}

#[tokio::test]
async fn variants_are_left_out_of_a_list_on_request() {
    let app = TestApp::start().await;
    mugs(&app, &[3, 1]).await;
    for q in ["", "mug"] {
        let request = ListProductsRequest { q: q.to_owned(), ..Default::default() };
        let (with_variants, _) = products(&app, request.clone()).await;
        assert_eq!(with_variants.iter().map(|mug| mug.variants.len()).collect::<Vec<_>>(), [1, 3]);
        let expected: Vec<_> =
            with_variants.into_iter().map(|mug| Product { variants: Vec::new(), ..mug }).collect();
        let request = ListProductsRequest { omit_variants: true, ..request };
        assert_eq!(products(&app, request).await.0, expected, "{q}");
    }
}

#[tokio::test]
async fn a_page_with_variants_ends_after_1_000_of_them() {
    let app = TestApp::start().await;
    let ids = mugs(&app, &[250, 250, 250, 249, 1, 250, 1]).await;
    for sort in [ProductSort::Oldest, ProductSort::NameAsc, ProductSort::PriceAsc] {
        for q in ["", "mug"] {
            let request =
                ListProductsRequest { q: q.to_owned(), sort: sort.into(), limit: 6, ..Default::default() };
            // The fifth has the variant of this number; without variants, the limit counts.
            assert_eq!(app.pages(request.clone()).await, [&ids[..5], &ids[5..]], "{sort:?} {q}");
            let without = ListProductsRequest { omit_variants: true, ..request.clone() };
            assert_eq!(app.pages(without).await, [&ids[..6], &ids[6..]], "{sort:?} {q}");
            // Nor is there a next page after the last product.
            let last = ListProductsRequest { ids: ids[..5].to_vec(), ..request.clone() };
            assert_eq!(app.pages(last).await, [&ids[..5]]);
            let few = ListProductsRequest { limit: 2, ..request };
            assert_eq!(app.pages(few).await[0], &ids[..2]);
        }
    }
}
