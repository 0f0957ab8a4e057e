use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::*;
use crate::invariants::{
    store::CartLine,
    testing::{BEGUN, asked, line_row, order, order_row},
};

/// A cart that was changed 5 ms after the journal was begun.
fn cart(quantity: i64) -> Value {
    let lines = Some(json!({"productId": 7, "quantity": quantity})).filter(|_| quantity > 0);
    json!({"products": lines.as_slice(), "updatedAt": "2026-11-21T09:30:00.005Z"})
}

/// Adds so many at a time.
fn add(started: u64, quantity: i64) -> Exchange {
    let sent = json!({"productId": 7, "quantity": quantity});
    asked("POST", "/api/cart/add").at(started).sending(sent)
}

fn read(started: u64, quantity: i64) -> Exchange {
    asked("GET", "/api/cart").at(started).told(200, cart(quantity))
}

/// Orders a, of 2.
fn place(started: u64) -> Exchange {
    asked("POST", "/api/orders").at(started).told(201, order("a"))
}

/// What is found when the cart holds so many in the end, after order a of 2 if it was placed.
fn found(exchanges: &[Exchange], is_ordered: bool, quantity: i32) -> Vec<String> {
    let in_cart = CartLine { user_id: "u-1".to_owned(), product_id: 7, quantity };
    let status = if is_ordered { "cancelled" } else { "rejected" };
    let books = Books {
        orders: vec![order_row("a", status)],
        lines: vec![line_row("a", 2)],
        cart_lines: Some(in_cart).into_iter().filter(|line| line.quantity > 0).collect(),
        ..Books::default()
    };
    judge(exchanges, &books)
}

#[test]
fn a_cart_shows_what_was_put_into_it() {
    let clear = asked("DELETE", "/api/cart").at(40).told(200, cart(0));
    let set = asked("PUT", "/api/cart/items/7").at(80).sending(json!({"quantity": 5})).told(200, cart(5));
    let exchanges = [
        read(0, 0),
        add(10, 2).told(200, cart(2)),
        read(20, 2),
        clear,
        read(50, 0),
        add(60, 1).told(200, cart(1)),
        set,
        read(90, 5),
    ];
    assert_eq!(found(&exchanges, false, 5), Vec::<String>::new());
}

#[test]
fn a_change_that_is_lost_is_found() {
    let exchanges = [add(0, 2).told(200, cart(2)), read(20, 0)];
    let lost = "the cart of user u-1 has 0 of product 7 at 0.030 s, by what was answered 2";
    assert_eq!(found(&exchanges, false, 2), [lost]);
    let removed = asked("DELETE", "/api/cart/items/7").at(20).told(200, cart(0));
    let exchanges = [add(0, 2).told(200, cart(2)), removed, read(40, 2)];
    let back = "the cart of user u-1 has 2 of product 7 at 0.050 s, by what was answered 0";
    assert_eq!(found(&exchanges, false, 0), [back]);
}

#[test]
fn a_change_that_is_lost_in_the_end_is_found() {
    let exchanges = [add(0, 2).told(200, cart(2))];
    let lost = "the cart of user u-1 has 0 of product 7 at the end, by what was answered 2";
    assert_eq!(found(&exchanges, false, 0), [lost]);
}

#[test]
fn a_change_that_was_made_twice_is_found() {
    let exchanges = [add(0, 2).unanswered(), add(20, 2).told(200, cart(6))];
    let twice = "the cart of user u-1 has 6 of product 7 at 0.030 s, by what was answered 2 or 4";
    assert_eq!(found(&exchanges, false, 6), [twice]);
}

#[test]
fn what_was_not_answered_may_have_been_made_or_not_or_late() {
    for (first, then) in [(0, 0), (2, 2), (0, 2)] {
        let exchanges = [add(0, 2).unanswered(), read(20, first), read(40, then)];
        assert_eq!(found(&exchanges, false, i32::try_from(then).unwrap()), Vec::<String>::new());
    }
    let exchanges = [add(0, 2).told(503, json!({})), read(20, 2), read(40, 0)];
    assert_eq!(found(&exchanges, false, 2).len(), 1, "what was seen to be made stays");
    let exchanges = [add(0, 2).unanswered(), read(200_000, 0), read(200_020, 2)];
    assert_eq!(found(&exchanges, false, 2).len(), 1, "nothing comes that late");
}

#[test]
fn what_was_refused_was_not_made() {
    let exchanges = [add(0, 2).told(409, json!({})), read(20, 2)];
    assert_eq!(found(&exchanges, false, 2).len(), 1);
}

#[test]
fn a_cart_that_is_read_while_it_changes_may_show_either() {
    for seen in [2, 0] {
        let slow = asked("GET", "/api/cart").during(5, 30).told(200, cart(seen));
        let exchanges = [add(0, 2).told(200, cart(2)), slow, read(40, 2)];
        assert_eq!(found(&exchanges, false, 2), Vec::<String>::new(), "{seen}");
    }
}

#[test]
fn what_was_ordered_leaves_the_cart_with_the_order_or_after() {
    for seen in [3, 1] {
        let exchanges = [add(0, 3).told(200, cart(3)), place(20), read(40, seen)];
        assert_eq!(found(&exchanges, true, 1), Vec::<String>::new(), "{seen}");
    }
}

#[test]
fn what_was_ordered_and_never_leaves_the_cart_is_found() {
    let exchanges = [add(0, 3).told(200, cart(3)), place(20)];
    let stays = "the cart of user u-1 has 3 of product 7 at the end, by what was answered 1";
    assert_eq!(found(&exchanges, true, 3), [stays]);
}

#[test]
fn what_left_the_cart_without_an_order_is_found() {
    let refused = asked("POST", "/api/orders").at(20).told(409, json!({"code": "out_of_stock"}));
    let exchanges = [add(0, 3).told(200, cart(3)), refused];
    assert_eq!(found(&exchanges, false, 1).len(), 1);
}

#[test]
fn an_order_that_nobody_was_told_of_may_have_been_placed_by_a_request_without_an_answer() {
    let unanswered = asked("POST", "/api/orders").at(20).unanswered();
    let exchanges = [add(0, 3).told(200, cart(3)), unanswered, read(40, 1)];
    assert_eq!(found(&exchanges, true, 1), Vec::<String>::new());
}

#[test]
fn what_left_the_cart_before_it_was_ordered_is_found() {
    let early = asked("GET", "/api/cart").during(10, 15).told(200, cart(1));
    let exchanges = [add(0, 3).told(200, cart(3)), early, place(20)];
    let lost = "the cart of user u-1 has 1 of product 7 at 0.015 s, by what was answered 3";
    assert_eq!(found(&exchanges, true, 1), [lost]);
}

#[test]
fn every_cart_is_its_users_own() {
    let exchanges = [add(0, 2).told(200, cart(2)), read(20, 0).by("u-2"), read(40, 2)];
    assert_eq!(found(&exchanges, false, 2), Vec::<String>::new());
}

/// A cart that does what a cart does, with requests that get lost on the way there or back, or arrive late.
struct Cart {
    rng: StdRng,
    /// Of so many changes, one is lost and one is late.
    one_in: u32,
    now: u64,
    held: i64,
    /// What is still to be carried out, and from when on.
    late: Vec<(u64, Step)>,
    exchanges: Vec<Exchange>,
    books: Books,
}

impl Cart {
    fn new(seed: u64, one_in: u32) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self {
            rng,
            one_in,
            now: 0,
            held: 0,
            late: Vec::new(),
            exchanges: Vec::new(),
            books: Books::default(),
        }
    }

    fn shown(&self) -> Value {
        let updated_at = (BEGUN + Duration::from_millis(self.now)).format(&Rfc3339).unwrap();
        let mut shown = cart(self.held);
        shown["updatedAt"] = updated_at.into();
        shown
    }

    /// What was late arrives, or does not yet.
    fn catch_up(&mut self) {
        let due;
        (due, self.late) = self.late.iter().partition(|(from, _)| *from <= self.now);
        self.held = due.iter().fold(self.held, |held, (_, step)| step.apply(held));
    }

    fn go_on(&mut self) {
        self.now += 20;
        self.catch_up();
        let quantity = self.rng.random_range(1..=3);
        match self.rng.random_range(0..10) {
            0..4 => self.change(add(self.now, quantity), Step::Add(quantity)),
            4 if self.held > 0 => {
                let set =
                    asked("PUT", "/api/cart/items/7").at(self.now).sending(json!({"quantity": quantity}));
                self.change(set, Step::Set(quantity));
            }
            5 => self.change(asked("DELETE", "/api/cart").at(self.now), Step::Set(0)),
            6 if self.held > 0 => self.order(),
            _ => self.exchanges.push(asked("GET", "/api/cart").at(self.now).told(200, self.shown())),
        }
    }

    fn change(&mut self, exchange: Exchange, step: Step) {
        match self.rng.random_range(0..self.one_in) {
            0 => self.exchanges.push(exchange.unanswered()),
            1 => {
                self.late.push((self.now + self.rng.random_range(0..60_000), step));
                self.exchanges.push(exchange.told(503, json!({})));
            }
            _ => {
                self.held = step.apply(self.held);
                let shown = self.shown();
                self.exchanges.push(exchange.told(200, shown));
            }
        }
    }

    fn order(&mut self) {
        let name = format!("o-{}", self.now);
        let mut row = order_row(&name, "pending");
        row.placed_at = Some(BEGUN + Duration::from_millis(self.now + 5));
        self.books.orders.push(row);
        self.books.lines.push(line_row(&name, i32::try_from(self.held).unwrap()));
        // The next order waits until this one has left the cart; until then, it may be seen there.
        self.late.push((self.now + self.rng.random_range(0..100), Step::Order(self.held)));
        self.exchanges.push(asked("POST", "/api/orders").at(self.now).unanswered());
    }

    fn found(mut self) -> Vec<String> {
        self.now += 60_000;
        self.catch_up();
        let quantity = i32::try_from(self.held).unwrap();
        let line = CartLine { user_id: "u-1".to_owned(), product_id: 7, quantity };
        self.books.cart_lines.extend(Some(line).filter(|line| line.quantity > 0));
        judge(&self.exchanges, &self.books)
    }
}

#[test]
fn whatever_gets_lost_on_the_way_a_cart_that_is_right_is_not_accused() {
    for seed in 0..50 {
        let mut cart = Cart::new(seed, 10);
        (0..400).for_each(|_| cart.go_on());
        assert_eq!(cart.found(), Vec::<String>::new(), "seed {seed}");
    }
}

/// The more goes astray, the more a cart may hold: of one change in 50 as here, about nine breaks in ten are found; of
/// one in 20 two in three, of one in 10 one in five.
#[test]
fn a_cart_that_is_wrong_is_found_out_where_little_goes_astray() {
    let is_found = |seed: &u64| {
        let mut cart = Cart::new(*seed, 100);
        (0..100).for_each(|_| cart.go_on());
        cart.held += 7; // more than anybody adds at a time
        cart.exchanges.push(asked("GET", "/api/cart").at(cart.now + 11).told(200, cart.shown()));
        (0..20).for_each(|_| cart.go_on());
        !cart.found().is_empty()
    };
    let found = (0..50).filter(is_found).count();
    assert!(found >= 40, "{found} of 50");
}
