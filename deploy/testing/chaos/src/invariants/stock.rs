//! I1: what was put in is in stock or in live orders, and there were never fewer than none.
//!
//! The ledger of movements is replayed from its beginning; what comes of it is compared with the stock, with what the
//! orders say they have, and with what the store shows.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::store::{Books, Movement, Order};

/// What is wrong with the stock.
pub(super) fn judge(books: &Books, shown: &HashMap<i64, Value>) -> Vec<String> {
    let (mut replayed, mut wrong) = replay(&books.movements);
    let ordered = ordered(books);
    for product in &books.products {
        let id = product.id;
        let Shelf { put_in, left } = replayed.shelves.remove(&id).unwrap_or_default();
        let stock = i64::from(product.stock);
        if left != stock {
            wrong.push(format!("product {id}: {stock} in stock, its movements leave {left}"));
        }
        let in_orders: i64 =
            ordered.iter().filter(|((_, of), _)| *of == id).map(|(_, quantity)| quantity).sum();
        if put_in != stock + in_orders {
            wrong
                .push(format!("product {id}: {put_in} put in, {stock} in stock, {in_orders} in live orders"));
        }
        match shown.get(&i64::from(id)).map(|product| &product["stock"]) {
            Some(shown) if shown.as_i64() != Some(stock) => {
                wrong.push(format!("product {id}: {stock} in stock, REST shows {shown}"));
            }
            None if !product.archived => wrong.push(format!("product {id}: REST does not show it")),
            Some(_) | None => {}
        }
    }
    for id in replayed.shelves.keys() {
        wrong.push(format!("product {id}: has movements, and is not there"));
    }
    wrong.extend(disagreements(&replayed.held, &ordered, &books.orders));
    wrong
}

/// Units by order and product.
type Units<'a> = BTreeMap<(&'a str, i32), i64>;

/// What a ledger comes to.
#[derive(Debug, Default)]
struct Replayed<'a> {
    shelves: BTreeMap<i32, Shelf>,
    /// What orders took and did not give back.
    held: Units<'a>,
}

/// What the ledger says of a product.
#[derive(Debug, Default)]
struct Shelf {
    put_in: i64,
    left: i64,
}

/// Does every movement again, in order; what was not possible at its moment is told.
fn replay(movements: &[Movement]) -> (Replayed<'_>, Vec<String>) {
    let (mut replayed, mut wrong) = (Replayed::default(), Vec::new());
    for Movement { id, product_id, delta, reason, order_id } in movements {
        let delta = i64::from(*delta);
        let shelf = replayed.shelves.entry(*product_id).or_default();
        shelf.left += delta;
        if shelf.left < 0 {
            wrong.push(format!(
                "product {product_id}: {} in stock after movement {id} ({reason})",
                shelf.left
            ));
        }
        let Some(order_id) = order_id else {
            shelf.put_in += delta;
            continue;
        };
        let held = replayed.held.entry((order_id, *product_id)).or_default();
        *held -= delta;
        if *held < 0 {
            wrong.push(format!(
                "product {product_id}: order {order_id} gave back {} more than it took, by movement {id}",
                -*held
            ));
        }
    }
    (replayed, wrong)
}

/// What live orders say they have.
fn ordered(books: &Books) -> Units<'_> {
    let live: HashMap<_, _> = books.orders.iter().map(|order| (order.id.as_str(), order.is_live())).collect();
    let mut units = Units::new();
    for line in books.lines.iter().filter(|line| live.get(line.order_id.as_str()) == Some(&true)) {
        *units.entry((&line.order_id, line.product_id)).or_default() += i64::from(line.quantity);
    }
    units
}

/// Where what an order took is not what it says it has.
fn disagreements(held: &Units<'_>, ordered: &Units<'_>, orders: &[Order]) -> Vec<String> {
    let statuses: HashMap<_, _> =
        orders.iter().map(|order| (order.id.as_str(), order.status.as_str())).collect();
    let mut lines: Vec<_> = held.keys().chain(ordered.keys()).collect();
    lines.sort_unstable();
    lines.dedup();
    let describe = |line: &&(&str, i32)| {
        let units = |of: &Units<'_>| of.get(*line).copied().unwrap_or_default();
        let (held, ordered) = (units(held), units(ordered));
        let (order, product) = line;
        let status = statuses.get(order).copied().unwrap_or("not there");
        (held != ordered).then(|| {
            format!("product {product}: order {order} is {status}: holds {held} of the stock, has a right to {ordered}")
        })
    };
    lines.iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::{line_row, movement, order_row, product_row};

    /// 10 put in and 2 more; order a has 3 of them, order b gave its 4 back.
    fn books() -> Books {
        Books {
            products: vec![product_row(9)],
            movements: vec![
                movement(1, 10, "initial", None),
                movement(2, -4, "reserved", Some("b")),
                movement(3, -3, "reserved", Some("a")),
                movement(4, 2, "adjusted", None),
                movement(5, 4, "released", Some("b")),
            ],
            orders: vec![order_row("a", "paid"), order_row("b", "cancelled")],
            lines: vec![line_row("a", 3), line_row("b", 4)],
            ..Books::default()
        }
    }

    fn found(books: &Books) -> Vec<String> {
        let stock = books.products[0].stock;
        judge(books, &HashMap::from([(7, json!({"id": 7, "stock": stock}))]))
    }

    #[test]
    fn what_was_put_in_is_in_stock_or_in_live_orders() {
        assert_eq!(found(&books()), Vec::<String>::new());
    }

    #[test]
    fn a_stock_that_is_not_what_its_movements_leave_is_found() {
        let mut books = books();
        books.products[0].stock = 8;
        assert_eq!(
            found(&books),
            [
                "product 7: 8 in stock, its movements leave 9",
                "product 7: 12 put in, 8 in stock, 3 in live orders"
            ]
        );
    }

    #[test]
    fn stock_below_zero_is_found_though_it_was_for_a_moment() {
        let mut books = books();
        books.movements[3].delta = 0;
        books.movements[2].delta = -9;
        books.movements.push(movement(6, 8, "adjusted", None));
        let found = found(&books);
        assert!(
            found.contains(&"product 7: -3 in stock after movement 3 (reserved)".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn stock_that_is_in_neither_place_is_found() {
        let mut books = books();
        books.orders[0].status = "cancelled".to_owned();
        assert_eq!(
            found(&books),
            [
                "product 7: 12 put in, 9 in stock, 0 in live orders",
                "product 7: order a is cancelled: holds 3 of the stock, has a right to 0"
            ]
        );
    }

    #[test]
    fn stock_that_was_given_back_under_a_live_order_is_found() {
        let mut books = books();
        books.orders[1].status = "pending".to_owned();
        assert_eq!(
            found(&books),
            [
                "product 7: 12 put in, 9 in stock, 7 in live orders",
                "product 7: order b is pending: holds 0 of the stock, has a right to 4"
            ]
        );
    }

    #[test]
    fn stock_that_was_given_back_twice_is_found() {
        let mut books = books();
        books.movements.push(movement(6, 4, "released", Some("b")));
        books.products[0].stock = 13;
        let found = found(&books);
        let twice = "product 7: order b gave back 4 more than it took, by movement 6";
        assert!(found.contains(&twice.to_owned()), "{found:?}");
    }

    #[test]
    fn stock_of_an_attempt_that_came_to_nothing_is_found() {
        let mut books = books();
        books.orders[0].status = "rejected".to_owned();
        let lost = "product 7: order a is rejected: holds 3 of the stock, has a right to 0";
        assert!(found(&books).contains(&lost.to_owned()));
        books.orders.remove(0);
        let orphan = "product 7: order a is not there: holds 3 of the stock, has a right to 0";
        assert!(found(&books).contains(&orphan.to_owned()));
    }

    #[test]
    fn what_rest_shows_is_the_stock() {
        let books = books();
        let shown = |stock: i64| HashMap::from([(7, json!({"id": 7, "stock": stock}))]);
        assert_eq!(judge(&books, &shown(10)), ["product 7: 9 in stock, REST shows 10"]);
        assert_eq!(judge(&books, &HashMap::new()), ["product 7: REST does not show it"]);
    }

    #[test]
    fn what_is_no_longer_sold_is_in_no_list() {
        let mut books = books();
        books.products[0].archived = true;
        assert_eq!(judge(&books, &HashMap::new()), Vec::<String>::new());
    }

    #[test]
    fn movements_of_a_product_that_is_not_there_are_found() {
        let books = Books { movements: vec![movement(1, 1, "initial", None)], ..Books::default() };
        assert_eq!(judge(&books, &HashMap::new()), ["product 7: has movements, and is not there"]);
    }
}
