//! Prices the lines of a cart with the current products of the catalog.

use bodega_proto::cart::v1::{Cart as PricedCart, CartItem};
use bodega_runtime::timestamp;

use crate::{
    cart::{Cart, Line},
    catalog::{self, Products},
    error::Error,
};

/// Returns the cart with the products' names and prices, and totals.
///
/// # Errors
/// [`Error::TotalOverflow`], which the limits of the catalog rule out.
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

/// Prices a line. A product that the catalog does not have keeps its quoted price and is not available.
fn price_line(line: &Line, products: &Products) -> Result<CartItem, Error> {
    let product = products.get(line.product_id);
    let price_minor = product.map_or(line.quoted_price_minor, |product| product.price_minor);
    let stock = product.filter(|product| !product.archived).map(|product| product.stock);
    let details = product.and_then(|product| product.variants.first());
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
        variant_of: product.map(catalog::product_id).filter(|id| *id != line.product_id).unwrap_or_default(),
        sku: details.map(|details| details.sku.clone()).unwrap_or_default(),
        variant_name: details.map(|details| details.option_values.join(" / ")).unwrap_or_default(),
    })
}

/// Returns the currency of a cart: all products have the same. That of a line is used if all products have been deleted.
fn currency(cart: &Cart, products: &Products) -> String {
    let current = cart.product_ids().find_map(|id| products.get(id)).map(|product| &product.currency);
    let quoted = || cart.lines.first().map(|line| &line.currency);
    current.or_else(quoted).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bodega_proto::catalog::v1::{Image, Product, Variant};
    use proptest::prelude::*;

    use super::*;
    use crate::cart::{MAX_LINES, MAX_QUANTITY};

    fn line(product_id: i32, quantity: i32) -> Line {
        Line { product_id, quantity, quoted_price_minor: 77, currency: "EUR".to_owned() }
    }

    fn product(id: i32, price_minor: i64, stock: i32) -> Product {
        let images = vec![
            Image { id: 1, url: "/first.png".to_owned(), ..Image::default() },
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
    fn prices_a_line_with_the_current_product() {
        let priced = price(&cart(vec![line(1, 2)]), &Products::from_iter([product(1, 1999, 2)])).unwrap();
        let expected = CartItem {
            product_id: 1,
            name: "Mug".to_owned(),
            price_minor: 1999,
            quantity: 2,
            line_total_minor: 3998,
            image_url: "/first.png".to_owned(),
            available: true,
            stock: 2,
            ..CartItem::default()
        };
        assert_eq!(priced.items, [expected]);
        assert_eq!((priced.total_minor, priced.count, priced.version), (3998, 2, 3));
        assert_eq!(priced.currency, "USD");
    }

    #[test]
    fn a_line_names_its_variant() {
        let details = Variant {
            id: 8,
            product_id: 1,
            sku: "MUG-M-RED".to_owned(),
            option_values: vec!["M".to_owned(), "red".to_owned()],
            ..Variant::default()
        };
        let variant = Product { variants: vec![details], ..product(8, 1999, 2) };
        let priced = price(&cart(vec![line(8, 1)]), &Products::from_iter([variant])).unwrap();
        let item = &priced.items[0];
        assert_eq!((item.product_id, item.variant_of), (8, 1));
        assert_eq!((item.sku.as_str(), item.variant_name.as_str()), ("MUG-M-RED", "M / red"));
    }

    #[test]
    fn a_line_beyond_the_stock_is_not_available() {
        let priced = price(&cart(vec![line(1, 3)]), &Products::from_iter([product(1, 1999, 2)])).unwrap();
        assert_eq!((priced.items[0].available, priced.items[0].stock), (false, 2));
    }

    #[test]
    fn an_archived_product_keeps_its_name_and_is_not_available() {
        let archived = Product { archived: true, ..product(1, 1999, 5) };
        let priced = price(&cart(vec![line(1, 1)]), &Products::from_iter([archived])).unwrap();
        assert_eq!(priced.items[0].name, "Mug");
        assert_eq!((priced.items[0].available, priced.items[0].stock), (false, 0));
    }

    #[test]
    fn a_deleted_product_keeps_its_quoted_price() {
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
        fn the_total_is_exact_or_an_error(
            lines in prop::collection::vec((0..=i64::MAX / 64, 1..=MAX_QUANTITY), 0..=MAX_LINES),
        ) {
            let products: Products = (1..).zip(&lines).map(|(id, (price, _))| product(id, *price, 0)).collect();
            let cart = cart((1..).zip(&lines).map(|(id, (_, quantity))| line(id, *quantity)).collect());
            let exact: i128 = lines.iter().map(|(price, quantity)| i128::from(*price) * i128::from(*quantity)).sum();
            let total = price(&cart, &products).ok().map(|priced| priced.total_minor);
            prop_assert_eq!(total, i64::try_from(exact).ok());
        }

        #[test]
        fn prices_within_the_limits_of_the_catalog_never_overflow(
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
