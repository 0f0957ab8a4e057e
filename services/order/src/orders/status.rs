//! Where an order stands, and where it may go from there.

use OrderStatus::{Cancelled, Completed, Confirmed, Paid, Pending, Shipped};

/// Where an order stands. Attempts that are being placed or were rejected are no orders, and have none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    /// Placed; its stock is taken.
    Pending,
    /// Accepted by the merchant.
    Confirmed,
    /// Paid for.
    Paid,
    /// On its way.
    Shipped,
    /// Delivered. Final.
    Completed,
    /// IsConflict. Final.
    Cancelled,
}

impl OrderStatus {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [Pending, Confirmed, Paid, Shipped, Completed, Cancelled];

    /// Whether an order may move from here to `next`.
    pub(crate) fn can_become(self, next: Self) -> bool {
        match self {
            Pending => matches!(next, Confirmed | Paid | Cancelled),
            Confirmed => matches!(next, Paid | Shipped | Cancelled),
            Paid => matches!(next, Shipped | Cancelled),
            Shipped => matches!(next, Completed),
            Completed | Cancelled => false,
        }
    }

    /// Its name, in the database and in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Pending => "pending",
            Confirmed => "confirmed",
            Paid => "paid",
            Shipped => "shipped",
            Completed => "completed",
            Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the contract has it.
    const ALLOWED: [(OrderStatus, OrderStatus); 9] = [
        (Pending, Confirmed),
        (Pending, Paid),
        (Pending, Cancelled),
        (Confirmed, Paid),
        (Confirmed, Shipped),
        (Confirmed, Cancelled),
        (Paid, Shipped),
        (Paid, Cancelled),
        (Shipped, Completed),
    ];

    #[test]
    fn only_the_moves_of_the_contract_are_allowed() {
        for from in OrderStatus::ALL {
            for to in OrderStatus::ALL {
                assert_eq!(from.can_become(to), ALLOWED.contains(&(from, to)), "{from} -> {to}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_walk_enters_a_state_twice_or_leaves_a_final_one(
            moves in prop::collection::vec(prop::sample::select(OrderStatus::ALL.to_vec()), 0..40),
        ) {
            let mut entered = vec![Pending];
            for next in moves {
                let here = entered[entered.len() - 1];
                if here.can_become(next) {
                    prop_assert!(!matches!(here, Completed | Cancelled));
                    prop_assert!(!entered.contains(&next), "{entered:?} -> {next}");
                    entered.push(next);
                }
            }
        }
    }
}
