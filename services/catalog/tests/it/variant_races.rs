//! Concurrent sales and declarations of variants.

use bodega_proto::catalog::v1::Variant;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::{
    test_app::TestApp,
    variant_reads::stocks,
    variants::{is_reserved, request, sizes, three_sizes, variant},
};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_buyers_of_three_variants_get_exactly_their_stock() {
    let app = TestApp::start().await;
    let ids = three_sizes(&app).await;
    let lines = ids.map(|id| [(id, 1)]);
    let orders = (0..500).map(|buyer| app.reserve(Uuid::now_v7(), &lines[buyer % 3]));
    let outcomes = join_all(orders).await;
    let mut reserved = [0; 3];
    for (buyer, outcome) in outcomes.iter().enumerate() {
        reserved[buyer % 3] += usize::from(is_reserved(outcome));
    }
    assert_eq!(reserved, [5, 6, 7]);
    assert!(sizes(&app, ids[0]).await.iter().all(|size| size.4 == 0));
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_declarations_one_is_left_whole() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let declaration = |call: i64| {
        let sizes = ["S", "M", "L"].map(|size| variant(&format!("{size}-{call}"), size, call, 1));
        request(id, &sizes)
    };
    let replica = app.replica().await;
    let put = async |call: i64| {
        let app = if call % 2 == 0 { &app } else { &replica };
        app.put_variants(declaration(call)).await
    };
    let puts = join_all((0..200).map(put)).await;
    assert!(puts.iter().all(Result::is_ok), "{:?}", puts.iter().find(|put| put.is_err()));
    let left = sizes(&app, id).await;
    let call = left[0].3;
    let found: Vec<_> = left.iter().map(|size| (size.1.clone(), size.3)).collect();
    assert_eq!(found, ["S", "M", "L"].map(|size| (format!("{size}-{call}"), call)));
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_during_declarations_are_not_lost() {
    let app = TestApp::start().await;
    let ids = three_sizes(&app).await;
    let sale = async |index: usize| is_reserved(&app.reserve(Uuid::now_v7(), &[(ids[index % 3], 1)]).await);
    let declare = async |call: i64| {
        // Without a stock, it stays; and each call adds and archives a variant.
        let kept = ["S", "M", "L"].map(|size| Variant { stock: None, ..variant("", size, 100 + call, 0) });
        let new = variant(&format!("NEW-{call}"), &format!("XL-{call}"), 100, 3);
        let all: Vec<_> = kept.into_iter().chain([new]).collect();
        app.put_variants(request(ids[0], &all)).await.unwrap();
    };
    let (sales, ()) = tokio::join!(join_all((0..18).map(sale)), async {
        for call in 0..6 {
            declare(call).await;
        }
    });
    // Sizes S, M and L have 5, 6 and 7 units, of which 6 are wanted each.
    assert_eq!(sales.iter().filter(|is_reserved| **is_reserved).count(), 17);
    let left = app.get(ids[0]).await.unwrap();
    let expected = [("S", 0), ("M", 0), ("L", 1), ("XL-5", 3)];
    assert_eq!(stocks(&left), expected.map(|(size, stock)| (size.to_owned(), stock)));
    app.assert_ledger_adds_up().await;
}
