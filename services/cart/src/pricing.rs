//! A cart's lines, priced with what the catalog says of their products now.

use bodega_proto::cart::v1::{Cart as PricedCart, CartItem};
use bodega_runtime::timestamp;

use crate::{
    cart::{Cart, Line},
    catalog::Products,
    error::Error,
};

/// The cart as its shopper sees it.
///
/// # Errors
/// [`Error::TotalOverflow`]; the catalog's bounds keep a hundred lines well below it.
pub(crate) fn price(cart: &Cart, products: &Products) -> Result<PricedCart, Error> {
    let items = cart.lines.iter().map(|line| price_line(line, products)).collect::<Result<Vec<_>, _>>()?;
    let total_minor = items
        .iter()
        .try_fold(0_i64, |sum, item| sum.checked_add(item.line_total_minor))
        .ok_or(Error::TotalOverflow)?;
    Ok(PricedCart {
        total_minor,
        currency: currency(cart, products),
        count: items.iter().map(|item| i64::from(item.quantity)).sum(),
        version: cart.version,
        updated_at: cart.updated_at.map(timestamp::to_proto),
        items,
    })
}

/// A product that the catalog knows nothing of keeps the price its shopper saw, and cannot be ordered.
fn price_line(line: &Line, products: &Products) -> Result<CartItem, Error> {
    let product = products.get(line.product_id);
    let price_minor = product.map_or(line.seen_price_minor, |product| product.price_minor);
    let stock = product.filter(|product| !product.archived).map(|product| product.stock);
    Ok(CartItem {
        product_id: line.product_id,
        name: product.map(|product| product.name.clone()).unwrap_or_default(),
        price_minor,
        quantity: line.quantity,
        line_total_minor: price_minor.checked_mul(i64::from(line.quantity)).ok_or(Error::TotalOverflow)?,
        image_url: product
            .and_then(|product| product.images.first())
            .map(|image| image.url.clone())
            .unwrap_or_default(),
        available: stock.is_some_and(|stock| stock >= line.quantity),
        stock: stock.unwrap_or_default(),
    })
}

/// The shop has one currency. A line remembers it too, for a cart of nothing but products that are gone.
fn currency(cart: &Cart, products: &Products) -> String {
    let known = cart.product_ids().find_map(|id| products.get(id)).map(|product| &product.currency);
    let remembered = || cart.lines.first().map(|line| &line.currency);
    known.or_else(remembered).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bodega_proto::catalog::v1::{Image, Product};
    use proptest::prelude::*;

    use super::*;
    use crate::cart::{MAX_LINES, MAX_QUANTITY};

    fn line(product_id: i32, quantity: i32) -> Line {
        Line { product_id, quantity, seen_price_minor: 77, currency: "EUR".to_owned() }
    }

    fn product(id: i32, price_minor: i64, stock: i32) -> Product {
        let images = vec![
            Image { id: 1, url: "/shown.png".to_owned(), ..Image::default() },
            Image { id: 2, url: "/other.png".to_owned(), ..Image::default() },
        ];
        Product {
            id,
            name: "Mug".into(),
            price_minor,
            stock,
            currency: "USD".into(),
            images,
            ..Product::default()
        }
    }

    fn cart(lines: Vec<Line>) -> Cart {
        Cart { version: 3, updated_at: None, lines }
    }

    #[test]
    fn a_line_shows_what_the_catalog_says_now() {
        let priced = price(&cart(vec![line(1, 2)]), &Products::from_iter([product(1, 1999, 2)])).unwrap();
        let shown = CartItem {
            product_id: 1,
            name: "Mug".to_owned(),
            price_minor: 1999,
            quantity: 2,
            line_total_minor: 3998,
            image_url: "/shown.png".to_owned(),
            available: true,
            stock: 2,
        };
        assert_eq!(priced.items, [shown]);
        assert_eq!((priced.total_minor, priced.count, priced.version), (3998, 2, 3));
        assert_eq!(priced.currency, "USD");
    }

    #[test]
    fn a_line_beyond_the_stock_is_not_available() {
        let priced = price(&cart(vec![line(1, 3)]), &Products::from_iter([product(1, 1999, 2)])).unwrap();
        assert_eq!((priced.items[0].available, priced.items[0].stock), (false, 2));
    }

    #[test]
    fn an_archived_product_keeps_its_name_and_cannot_be_had() {
        let archived = Product { archived: true, ..product(1, 1999, 5) };
        let priced = price(&cart(vec![line(1, 1)]), &Products::from_iter([archived])).unwrap();
        assert_eq!(priced.items[0].name, "Mug");
        assert_eq!((priced.items[0].available, priced.items[0].stock), (false, 0));
    }

    #[test]
    fn a_product_that_is_gone_keeps_the_price_that_was_seen() {
        let priced = price(&cart(vec![line(1, 2)]), &Products::default()).unwrap();
        assert_eq!((priced.items[0].name.as_str(), priced.items[0].price_minor), ("", 77));
        assert_eq!((priced.items[0].available, priced.items[0].stock), (false, 0));
        assert_eq!((priced.total_minor, priced.currency.as_str()), (154, "EUR"));
    }

    #[test]
    fn an_empty_cart_has_no_currency() {
        let priced = price(&Cart::default(), &Products::default()).unwrap();
        assert_eq!(priced, PricedCart::default());
    }

    proptest! {
        #[test]
        fn the_total_is_exact_or_refused(
            lines in prop::collection::vec((0..=i64::MAX / 64, 1..=MAX_QUANTITY), 0..=MAX_LINES),
        ) {
            let products: Products = (1..).zip(&lines).map(|(id, (price, _))| product(id, *price, 0)).collect();
            let cart = cart((1..).zip(&lines).map(|(id, (_, quantity))| line(id, *quantity)).collect());
            let exact: i128 = lines.iter().map(|(price, quantity)| i128::from(*price) * i128::from(*quantity)).sum();
            let total = price(&cart, &products).ok().map(|priced| priced.total_minor);
            prop_assert_eq!(total, i64::try_from(exact).ok());
        }

        #[test]
        fn what_the_catalog_allows_never_overflows(
            lines in prop::collection::vec((0..=1_000_000_000_000_i64, 1..=MAX_QUANTITY), 0..=MAX_LINES),
        ) {
            let products: Products = (1..).zip(&lines).map(|(id, (price, _))| product(id, *price, 0)).collect();
            let cart = cart((1..).zip(&lines).map(|(id, (_, quantity))| line(id, *quantity)).collect());
            let priced = price(&cart, &products).unwrap();
            prop_assert_eq!(priced.total_minor, priced.items.iter().map(|item| item.line_total_minor).sum::<i64>());
            prop_assert_eq!(priced.count, lines.iter().map(|(_, quantity)| i64::from(*quantity)).sum::<i64>());
        }
    }
}
