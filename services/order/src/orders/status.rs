//! The state machine of orders.

use OrderStatus::{Cancelled, Completed, Confirmed, Paid, Pending, Shipped};

/// The status of an order. Checkouts that are being placed or were rejected are not orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    /// Placed; its stock is reserved.
    Pending,
    /// Accepted by the merchant.
    Confirmed,
    Paid,
    Shipped,
    /// Delivered. Final.
    Completed,
    /// Final.
    Cancelled,
}

impl OrderStatus {
    pub(crate) const ALL: [Self; 6] = [Pending, Confirmed, Paid, Shipped, Completed, Cancelled];

    /// Returns whether an order with this status may get the status `next`.
    pub(crate) fn can_become(self, next: Self) -> bool {
        match self {
            Pending => matches!(next, Confirmed | Paid | Cancelled),
            Confirmed => matches!(next, Paid | Shipped | Cancelled),
            Paid => matches!(next, Shipped | Cancelled),
            Shipped => matches!(next, Completed),
            Completed | Cancelled => false,
        }
    }

    /// Returns the name of the status in the database and in messages.
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
    fn only_the_listed_changes_are_allowed() {
        for from in OrderStatus::ALL {
            for to in OrderStatus::ALL {
                assert_eq!(from.can_become(to), ALLOWED.contains(&(from, to)), "{from} -> {to}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_status_is_entered_twice_and_final_ones_are_never_left(
            statuses in prop::collection::vec(prop::sample::select(OrderStatus::ALL.to_vec()), 0..40),
        ) {
            let mut entered = vec![Pending];
            for next in statuses {
                let current = entered[entered.len() - 1];
                if current.can_become(next) {
                    prop_assert!(!matches!(current, Completed | Cancelled));
                    prop_assert!(!entered.contains(&next), "{entered:?} -> {next}");
                    entered.push(next);
                }
            }
        }
    }
}
