//! The JSON of a cart, as orders store it.

use bodega_pricing::{Cart, DiscountClass, Line};

use super::carts::{amount, flat, line, percent, rate, taxed};

/// Orders of earlier versions have this form: `bodega verify` must read it.
#[test]
fn the_json_of_a_cart_is_stable() {
    let cart = Cart {
        lines: vec![Line { weight_grams: 300, ..taxed(1999, 3, 0) }, line(1250, 2)],
        discounts: vec![percent(DiscountClass::Line, 100_000), amount(DiscountClass::Order, 1000)],
        shipping: flat(490),
        tax_rates: vec![rate(190_000)],
        prices_include_tax: true,
    };
    let json = concat!(
        r#"{"lines":[{"price_minor":1999,"quantity":3,"weight_grams":300,"tax_rate":0},"#,
        r#"{"price_minor":1250,"quantity":2,"weight_grams":0,"tax_rate":null}],"#,
        r#""discounts":[{"class":"line","value":{"rate":100000},"min_subtotal_minor":0,"lines":null},"#,
        r#"{"class":"order","value":{"amount":1000},"min_subtotal_minor":0,"lines":null}],"#,
        r#""shipping":{"basis":"flat","bands":[{"at_least":0,"price_minor":490}]},"#,
        r#""tax_rates":[190000],"prices_include_tax":true}"#
    );
    assert_eq!(serde_json::to_string(&cart).unwrap(), json);
    assert_eq!(serde_json::from_str::<Cart>(json).unwrap(), cart);
    assert!(serde_json::from_str::<Cart>(&json.replace("190000", "-1")).is_err());
}
