//! The lines of a request to reserve stock.

use std::collections::BTreeMap;

use bodega_proto::catalog::v1::StockLine;
use bodega_runtime::status::Violations;

const MAX_LINES: usize = 200;
const MAX_QUANTITY: i32 = 1_000_000;

/// Quantities by product id. The limits of a request prevent an overflow of the sums.
pub(crate) type Quantities = BTreeMap<i32, i32>;

/// Validates lines and adds up those of the same product.
///
/// # Errors
/// All invalid lines.
pub(crate) fn parse_lines(lines: &[StockLine]) -> Result<Quantities, Violations> {
    let mut violations = Violations::new();
    let message = format!("must have between 1 and {MAX_LINES} entries");
    violations.require((1..=MAX_LINES).contains(&lines.len()), "lines", message);
    let mut quantities = Quantities::new();
    for (index, line) in lines.iter().take(MAX_LINES).enumerate() {
        violations.require(
            (1..=MAX_QUANTITY).contains(&line.quantity),
            &format!("lines[{index}].quantity"),
            format!("must be between 1 and {MAX_QUANTITY}"),
        );
        let sum = quantities.entry(line.product_id).or_default();
        *sum = line.quantity.saturating_add(*sum);
    }
    violations.finish()?;
    Ok(quantities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(product_id: i32, quantity: i32) -> StockLine {
        StockLine { product_id, quantity }
    }

    #[test]
    fn adds_up_lines_of_the_same_product() {
        let sum = parse_lines(&[line(7, 1), line(3, 2), line(7, MAX_QUANTITY)]).unwrap();
        assert_eq!(sum, Quantities::from([(3, 2), (7, MAX_QUANTITY + 1)]));
        let most = parse_lines(&[line(1, MAX_QUANTITY); MAX_LINES]).unwrap();
        assert_eq!(most, Quantities::from([(1, 200_000_000)]));
    }

    #[test]
    fn names_every_invalid_line() {
        let violations = parse_lines(&[line(1, 0), line(1, 1), line(2, MAX_QUANTITY + 1)]).unwrap_err();
        let message = violations.to_string();
        assert!(
            message.contains("lines[0]") && !message.contains("lines[1]") && message.contains("lines[2]")
        );
        assert!(parse_lines(&[]).is_err());
        assert!(parse_lines(&[line(1, 1); MAX_LINES + 1]).is_err());
    }
}
