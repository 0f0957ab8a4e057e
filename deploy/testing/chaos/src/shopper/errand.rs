//! What a shopper sets out to do.

use rand::{Rng, RngExt as _, seq::index};

use super::temper::Temper;

/// The most products that one buys.
const MAX_LINES: usize = 4;
/// The most units of a product.
const MAX_QUANTITY: u32 = 3;

/// What a shopper sets out to do, from an empty cart to a paid order.
///
/// All of it is drawn before anything is asked: the same seed makes the same errands, whatever is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    /// How it comes by a token, where that is not as usual.
    pub(super) renewal: Option<Renewal>,
    /// Whether it looks at the first product before.
    pub(super) looks: bool,
    /// What it wants; different products, one at least.
    pub(super) lines: Vec<Line>,
    /// What it does to the first line once all are in the cart.
    pub(super) second_thought: Option<SecondThought>,
    /// Whether it asks for the order, and for what it takes to pay, twice at the same time.
    pub(super) doubles: bool,
    /// Whether it looks at the order once it has it.
    pub(super) reads_order: bool,
    /// What becomes of the order.
    pub(super) ending: Ending,
    /// Whether the first card is declined, and what it does then.
    pub(super) decline: Option<Decline>,
    /// Whether it waits, for a bounded time, until the order is seen to be paid.
    pub(super) waits: bool,
    /// Whether it looks at all its orders at last.
    pub(super) lists: bool,
}

/// Ways to come by a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The session is refreshed, though it has not expired.
    Refresh,
    /// The old session is left where it is, and another begun.
    SignIn,
}

/// What one wants of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: i64,
    /// 1 to 3 units.
    pub(super) quantity: u32,
}

/// What happens to a line that is in the cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecondThought {
    /// It gets this quantity.
    Change(u32),
    /// It is taken out.
    Remove,
}

/// What becomes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is paid.
    Pay,
    /// It is paid, and cancelled right after: perhaps before the store has heard of the money.
    PayAndCancel,
    /// It is cancelled.
    Cancel,
    /// It is cancelled between beginning the payment and paying: nothing may be kept of the money.
    CancelAndPay,
    /// Nothing: it stays as it is.
    Leave,
}

impl Ending {
    /// All, and how many of a hundred orders end so.
    const SHARES: [(Self, u32); 5] = [
        (Self::Pay, 68),
        (Self::PayAndCancel, 6),
        (Self::Cancel, 6),
        (Self::CancelAndPay, 3),
        (Self::Leave, 17),
    ];

    fn draw(rng: &mut impl Rng) -> Self {
        let mut left = rng.random_range(0..100);
        for (ending, share) in Self::SHARES {
            if left < share {
                return ending;
            }
            left -= share;
        }
        Self::Leave
    }
}

/// What one does whose card was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decline {
    /// Takes another card for the same payment.
    OtherCard,
    /// Asks for the payment again before it takes another card.
    BeginAgain,
}

impl Errand {
    /// What the next choices of `rng` come to, with these products, by id, of which there must be some.
    pub(super) fn draw(rng: &mut impl Rng, products: &[i64], temper: Temper) -> Self {
        let renewal = match rng.random_range(0..100) {
            0..3 => Some(Renewal::Refresh),
            3 => Some(Renewal::SignIn),
            _ => None,
        };
        let lines = rng.random_range(1..=MAX_LINES).min(products.len());
        let lines: Vec<_> = index::sample(rng, products.len(), lines)
            .into_iter()
            .map(|at| Line { product: products[at], quantity: rng.random_range(1..=MAX_QUANTITY) })
            .collect();
        let second_thought = match rng.random_range(0..100) {
            0..20 => Some(SecondThought::Change(rng.random_range(1..=MAX_QUANTITY))),
            // Of a single line nothing would be left.
            20..35 if lines.len() > 1 => Some(SecondThought::Remove),
            _ => None,
        };
        Self {
            renewal,
            looks: rng.random_bool(0.25),
            lines,
            second_thought,
            doubles: rng.random_bool(0.4) && temper == Temper::Mad,
            reads_order: rng.random_bool(0.5),
            ending: Ending::draw(rng),
            decline: match rng.random_range(0..100) {
                0..8 => Some(Decline::OtherCard),
                8..15 => Some(Decline::BeginAgain),
                _ => None,
            },
            waits: rng.random_bool(0.4),
            lists: rng.random_bool(0.25),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn products(count: i64) -> Vec<i64> {
        (1..=count).collect()
    }

    fn errands(seed: u64, temper: Temper) -> Vec<Errand> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..1000).map(|_| Errand::draw(&mut rng, &products(10), temper)).collect()
    }

    #[test]
    fn a_seed_fixes_every_choice() {
        assert_eq!(errands(7, Temper::Sane), errands(7, Temper::Sane));
        assert_ne!(errands(7, Temper::Sane), errands(8, Temper::Sane));
    }

    #[test]
    fn three_in_four_are_paid_and_one_in_seven_is_cancelled() {
        let errands = errands(1, Temper::Sane);
        let share = |endings: &[Ending]| errands.iter().filter(|it| endings.contains(&it.ending)).count();
        let paid = share(&[Ending::Pay, Ending::PayAndCancel]);
        let cancelled = share(&[Ending::PayAndCancel, Ending::Cancel, Ending::CancelAndPay]);
        assert!((700..800).contains(&paid), "{paid}");
        assert!((110..190).contains(&cancelled), "{cancelled}");
        assert_eq!(Ending::SHARES.iter().map(|(_, share)| share).sum::<u32>(), 100);
    }

    #[test]
    fn an_errand_has_lines_of_different_products() {
        for errand in errands(1, Temper::Sane) {
            let products: HashSet<_> = errand.lines.iter().map(|line| line.product).collect();
            assert!((1..=MAX_LINES).contains(&products.len()) && products.len() == errand.lines.len());
            assert!(errand.lines.iter().all(|line| (1..=MAX_QUANTITY).contains(&line.quantity)));
            assert!(errand.second_thought != Some(SecondThought::Remove) || errand.lines.len() > 1);
        }
    }

    #[test]
    fn only_the_mad_ask_twice_at_the_same_time() {
        assert!(errands(1, Temper::Sane).iter().all(|errand| !errand.doubles));
        assert!(errands(1, Temper::Mad).iter().any(|errand| errand.doubles));
    }

    #[test]
    fn a_shop_of_one_product_will_do() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            assert_eq!(Errand::draw(&mut rng, &products(1), Temper::Sane).lines.len(), 1);
        }
    }
}
