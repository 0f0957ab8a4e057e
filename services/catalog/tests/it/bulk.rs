//! Many products at once.

use bodega_catalog::bulk::{self, NewProduct};

use crate::test_catalog::Shop;

fn new(name: &str) -> NewProduct {
    NewProduct {
        name: name.to_owned(),
        description: String::new(),
        price_minor: 100,
        stock: 3,
        category_id: None,
        tag_ids: Vec::new(),
        image_url: None,
    }
}

#[tokio::test]
async fn products_come_in_the_order_they_were_given_with_all_they_have() {
    let shop = Shop::open().await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let categories = bulk::categories(&shop.db, &names(&["Kitchen", "Office", "KITCHEN"])).await.unwrap();
    assert_eq!(categories[0], categories[2]);
    assert_eq!(
        bulk::categories(&shop.db, &names(&["office", "kitchen"])).await.unwrap(),
        [categories[1], categories[0]]
    );
    let tags = bulk::tags(&shop.db, &names(&["red", "big"])).await.unwrap();

    let products: Vec<_> = (0..2_500)
        .map(|number| {
            let mut product = new(&format!("Product {number}"));
            product.stock = number % 3;
            product.category_id = Some(categories[usize::try_from(number % 2).unwrap()]);
            product.tag_ids = tags[..usize::try_from(number % 3).unwrap()].to_vec();
            product.image_url = (number % 2 == 0).then(|| format!("/{number}.png"));
            product
        })
        .collect();
    let mut progress = Vec::new();
    let ids = bulk::insert_products(&shop.db, "USD".parse().unwrap(), &products, |done| progress.push(done));
    let ids = ids.await.unwrap();
    assert_eq!(progress, [1_000, 2_000, 2_500]);
    for chunk in ids.iter().zip(&products).collect::<Vec<_>>().chunks(200) {
        let found = shop.batch(&chunk.iter().map(|(id, _)| **id).collect::<Vec<_>>()).await;
        assert_eq!(found.len(), chunk.len());
        for (found, (id, wanted)) in found.iter().zip(chunk) {
            assert_eq!((found.id, &found.name, found.stock), (**id, &wanted.name, wanted.stock));
            assert_eq!(found.category.as_ref().map(|category| category.id), wanted.category_id);
            assert_eq!(found.tags.len(), wanted.tag_ids.len());
            assert_eq!(found.images.first().map(|image| image.url.clone()), wanted.image_url);
        }
    }
    shop.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_product_out_of_bounds_keeps_its_batch_out() {
    let shop = Shop::open().await;
    let products = [new("Mug"), NewProduct { price_minor: -1, ..new("Cup") }];
    let cause = bulk::insert_products(&shop.db, "USD".parse().unwrap(), &products, |_| {}).await.unwrap_err();
    assert!(cause.to_string().contains("product_prices_are_in_range"), "{cause}");
    assert!(shop.list(Default::default()).await.is_empty());
}
