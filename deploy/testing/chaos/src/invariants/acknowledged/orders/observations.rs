//! Which changes are possible between two observations of an order.

use serde_json::Value;

const CONSTANT_FIELDS: [&str; 5] = ["userId", "products", "totalAmount", "currency", "createdAt"];

/// Describes a change from `earlier` to `later` that is impossible; `None` if all changes are possible.
pub(super) fn describe_regression(earlier: &Value, later: &Value) -> Option<String> {
    let has_changed = |field: &&&str| earlier[**field] != later[**field];
    if let Some(field) = CONSTANT_FIELDS.iter().find(has_changed) {
        return Some(format!("{field} was {}, then {}", earlier[*field], later[*field]));
    }
    let (was, is) = (text(&earlier["status"]), text(&later["status"]));
    if !can_follow(was, is) {
        return Some(format!("status was {was}, then {is}"));
    }
    let (was, is) = (text(&earlier["payment"]["status"]), text(&later["payment"]["status"]));
    if PaymentStage::of(is) < PaymentStage::of(was) {
        return Some(format!("payment was {was}, then {is}"));
    }
    let history = |order: &'_ Value| order["history"].as_array().cloned().unwrap_or_default();
    let (was, is) = (history(earlier), history(later));
    (!is.starts_with(&was))
        .then(|| format!("history was {}, then {}", format_history(&was), format_history(&is)))
}

/// Whether a payment of the order can no longer start.
pub(super) fn is_payment_over(order: &Value) -> bool {
    PaymentStage::of(text(&order["payment"]["status"])) > PaymentStage::Open
        || matches!(text(&order["status"]), "completed" | "cancelled")
}

/// Whether an order can get from one status to another in any number of transitions.
fn can_follow(was: &str, is: &str) -> bool {
    let next: &[&str] = match was {
        "pending" => &["confirmed", "paid", "shipped", "completed", "cancelled"],
        "confirmed" => &["paid", "shipped", "completed", "cancelled"],
        "paid" => &["shipped", "completed", "cancelled"],
        "shipped" => &["completed"],
        _ => &[],
    };
    was == is || next.contains(&is)
}

/// The progress of an order's payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PaymentStage {
    NotStarted,
    /// Includes payments that failed or were cancelled, as another may start after one.
    Open,
    Completed,
    RefundPending,
    Refunded,
}

impl PaymentStage {
    fn of(status: &str) -> Self {
        match status {
            "completed" => Self::Completed,
            "refund_pending" | "partially_refunded" => Self::RefundPending,
            "refunded" => Self::Refunded,
            "requires_payment" | "processing" | "failed" | "cancelled" => Self::Open,
            _ => Self::NotStarted,
        }
    }
}

/// Formats a history: `pending, pending (requires_payment), paid (completed)`.
fn format_history(steps: &[Value]) -> String {
    let format_step = |step: &Value| match step["payment"].as_str() {
        Some(payment) => format!("{} ({payment})", text(&step["status"])),
        None => text(&step["status"]).to_owned(),
    };
    steps.iter().map(format_step).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixtures::{changed, order};

    /// An order after each of its changes.
    fn stages() -> Vec<Value> {
        let changes = [
            ("pending", Some("requires_payment")),
            ("pending", Some("failed")),
            ("pending", Some("requires_payment")), // another payment
            ("paid", Some("completed")),
            ("cancelled", Some("refund_pending")),
            ("cancelled", Some("refunded")),
        ];
        let mut stages = vec![order("o-1")];
        for (status, payment) in changes {
            stages.push(changed(&stages[stages.len() - 1], status, payment));
        }
        stages
    }

    #[test]
    fn an_order_can_be_observed_at_a_later_stage_only() {
        let stages = stages();
        for (was, earlier) in stages.iter().enumerate() {
            for (is, later) in stages.iter().enumerate() {
                assert_eq!(describe_regression(earlier, later).is_none(), was <= is, "{earlier} {later}");
            }
        }
    }

    #[test]
    fn a_status_can_follow_those_with_a_transition_to_it() {
        let statuses = ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"];
        for (was, earlier) in statuses.iter().enumerate() {
            for (is, later) in statuses.iter().enumerate() {
                let is_final = matches!((*earlier, *later), ("shipped" | "completed", "cancelled"));
                assert_eq!(can_follow(earlier, later), was <= is && !is_final, "{earlier} {later}");
            }
        }
    }

    #[test]
    fn describes_what_went_back() {
        let stages = stages();
        let regression = |earlier: usize, later: usize| describe_regression(&stages[earlier], &stages[later]);
        assert_eq!(regression(4, 3).unwrap(), "status was paid, then pending");
        assert_eq!(regression(6, 5).unwrap(), "payment was refunded, then refund_pending");
        assert_eq!(
            regression(2, 1).unwrap(),
            "history was pending, pending (requires_payment), pending (failed), then pending, pending \
             (requires_payment)"
        );
    }

    #[test]
    fn lines_and_amounts_never_change() {
        let earlier = order("o-1");
        for (field, value) in
            [("totalAmount", 24.0.into()), ("userId", "u-2".into()), ("currency", "EUR".into())]
        {
            let mut later = changed(&earlier, "confirmed", None);
            later[field] = value;
            let regression = describe_regression(&earlier, &later).unwrap();
            assert!(regression.starts_with(&format!("{field} was ")));
        }
        let mut later = earlier.clone();
        later["products"][0]["quantity"] = 3.into();
        assert!(describe_regression(&earlier, &later).unwrap().starts_with("products was "));
    }

    #[test]
    fn a_payment_is_over_once_it_is_completed_or_the_order_is_final() {
        let stages = stages();
        let is_over: Vec<_> = stages.iter().map(is_payment_over).collect();
        assert_eq!(is_over, [false, false, false, false, true, true, true]);
        assert!(is_payment_over(&changed(&stages[0], "cancelled", None)));
        assert!(!is_payment_over(&changed(&stages[0], "shipped", None)), "shipped before payment");
    }
}
