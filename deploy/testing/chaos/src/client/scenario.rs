//! What a client does, from an empty cart to a paid order.

use rand::{Rng, RngExt as _, seq::index};

use super::{retry_profile::RetryProfile, rules::CODES};

const MAX_LINES: usize = 4;
const MAX_QUANTITY: u32 = 3;

/// Drawn completely before the first request, so that the same seed gives the same scenarios whatever the responses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    /// How the client renews its token first, although the token may be valid; `None` to keep it.
    pub(super) renewal: Option<Renewal>,
    /// Whether the client reads the first product before it adds it.
    pub(super) views_product: bool,
    /// Different products; at least one.
    pub(super) lines: Vec<Line>,
    /// A change of the first line once all lines are in the cart.
    pub(super) cart_edit: Option<CartEdit>,
    /// Whether the order and its payment are each requested twice at the same time.
    pub(super) sends_duplicates: bool,
    pub(super) reads_order: bool,
    pub(super) outcome: Outcome,
    /// Whether the first card is declined, and what the client does then.
    pub(super) decline: Option<Decline>,
    /// Whether the client polls the order until it is paid.
    pub(super) waits_for_payment: bool,
    pub(super) lists_orders: bool,
    /// What the client enters at checkout; `None` for nothing.
    pub(super) form: Option<Form>,
}

/// What a client enters at checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// The index of a discount code.
    pub(super) code: Option<usize>,
    /// Whether it chooses a shipping method.
    pub(super) ships: bool,
    /// Whether it asks for a quote, and expects its total.
    pub(super) quotes: bool,
}

impl Form {
    fn draw(rng: &mut impl Rng) -> Self {
        Self {
            code: rng.random_bool(0.6).then(|| rng.random_range(0..CODES)),
            ships: rng.random_bool(0.5),
            quotes: rng.random_bool(0.5),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    Refresh,
    /// Starts another session; the old one is not ended.
    SignIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: i64,
    pub(super) quantity: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CartEdit {
    SetQuantity(u32),
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Pay,
    /// Cancelled right after the payment, perhaps before the store has received the result.
    PayAndCancel,
    Cancel,
    /// Cancelled after the payment has been started and before it is confirmed, so that any money must be refunded.
    CancelAndPay,
    Abandon,
}

impl Outcome {
    const PERCENTAGES: [(Self, u32); 5] = [
        (Self::Pay, 68),
        (Self::PayAndCancel, 6),
        (Self::Cancel, 6),
        (Self::CancelAndPay, 3),
        (Self::Abandon, 17),
    ];

    fn draw(rng: &mut impl Rng) -> Self {
        let mut rest = rng.random_range(0..100);
        for (outcome, percentage) in Self::PERCENTAGES {
            if rest < percentage {
                return outcome;
            }
            rest -= percentage;
        }
        Self::Abandon
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decline {
    /// Uses another card for the same payment.
    OtherCard,
    /// Starts the payment again before it uses another card.
    StartAgain,
}

impl Scenario {
    /// Draws a scenario with some of these products, of which there must be at least one.
    pub(super) fn draw(rng: &mut impl Rng, products: &[i64], retry_profile: RetryProfile) -> Self {
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
        let cart_edit = match rng.random_range(0..100) {
            0..20 => Some(CartEdit::SetQuantity(rng.random_range(1..=MAX_QUANTITY))),
            // The cart must not become empty.
            20..35 if lines.len() > 1 => Some(CartEdit::Remove),
            _ => None,
        };
        Self {
            renewal,
            views_product: rng.random_bool(0.25),
            lines,
            cart_edit,
            sends_duplicates: rng.random_bool(0.4) && retry_profile == RetryProfile::Aggressive,
            reads_order: rng.random_bool(0.5),
            outcome: Outcome::draw(rng),
            decline: match rng.random_range(0..100) {
                0..8 => Some(Decline::OtherCard),
                8..15 => Some(Decline::StartAgain),
                _ => None,
            },
            waits_for_payment: rng.random_bool(0.4),
            lists_orders: rng.random_bool(0.25),
            form: rng.random_bool(0.6).then(|| Form::draw(rng)),
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

    fn scenarios(seed: u64, retry_profile: RetryProfile) -> Vec<Scenario> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..1000).map(|_| Scenario::draw(&mut rng, &products(10), retry_profile)).collect()
    }

    #[test]
    fn a_seed_determines_every_scenario() {
        assert_eq!(scenarios(7, RetryProfile::Backoff), scenarios(7, RetryProfile::Backoff));
        assert_ne!(scenarios(7, RetryProfile::Backoff), scenarios(8, RetryProfile::Backoff));
    }

    #[test]
    fn three_in_four_orders_are_paid_and_one_in_seven_is_cancelled() {
        let scenarios = scenarios(1, RetryProfile::Backoff);
        let count =
            |outcomes: &[Outcome]| scenarios.iter().filter(|it| outcomes.contains(&it.outcome)).count();
        let paid = count(&[Outcome::Pay, Outcome::PayAndCancel]);
        let cancelled = count(&[Outcome::PayAndCancel, Outcome::Cancel, Outcome::CancelAndPay]);
        assert!((700..800).contains(&paid), "{paid}");
        assert!((110..190).contains(&cancelled), "{cancelled}");
        assert_eq!(Outcome::PERCENTAGES.iter().map(|(_, percentage)| percentage).sum::<u32>(), 100);
    }

    #[test]
    fn half_of_the_forms_have_a_code_and_some_orders_have_no_form() {
        let scenarios = scenarios(1, RetryProfile::Backoff);
        let forms: Vec<_> = scenarios.iter().filter_map(|scenario| scenario.form).collect();
        assert!((500..700).contains(&forms.len()), "{}", forms.len());
        for code in 0..CODES {
            assert!(forms.iter().filter(|form| form.code == Some(code)).count() > 50, "{code}");
        }
        assert!(forms.iter().any(|form| form.ships && form.quotes && form.code.is_none()));
    }

    #[test]
    fn lines_have_different_products() {
        for scenario in scenarios(1, RetryProfile::Backoff) {
            let products: HashSet<_> = scenario.lines.iter().map(|line| line.product).collect();
            assert!((1..=MAX_LINES).contains(&products.len()) && products.len() == scenario.lines.len());
            assert!(scenario.lines.iter().all(|line| (1..=MAX_QUANTITY).contains(&line.quantity)));
            assert!(scenario.cart_edit != Some(CartEdit::Remove) || scenario.lines.len() > 1);
        }
    }

    #[test]
    fn only_aggressive_clients_send_duplicates() {
        assert!(scenarios(1, RetryProfile::Backoff).iter().all(|scenario| !scenario.sends_duplicates));
        assert!(scenarios(1, RetryProfile::Aggressive).iter().any(|scenario| scenario.sends_duplicates));
    }

    #[test]
    fn one_product_is_enough() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let scenario = Scenario::draw(&mut rng, &products(1), RetryProfile::Backoff);
            assert_eq!(scenario.lines.len(), 1);
        }
    }
}
