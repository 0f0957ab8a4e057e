//! An order as it was seen at two moments, one after the other: what may have become of it meanwhile.

use serde_json::Value;

/// What of an order never changes.
const CONSTANTS: [&str; 5] = ["userId", "products", "totalAmount", "currency", "createdAt"];

/// What cannot have become of an order that was seen as `earlier` and then as `later`; `None` when all of it can.
pub(super) fn went_back(earlier: &Value, later: &Value) -> Option<String> {
    let changed = |field: &&&str| earlier[**field] != later[**field];
    if let Some(field) = CONSTANTS.iter().find(changed) {
        return Some(format!("its {field} was {}, then {}", earlier[*field], later[*field]));
    }
    let (was, is) = (text(&earlier["status"]), text(&later["status"]));
    if !may_follow(was, is) {
        return Some(format!("it was {was}, then {is}"));
    }
    let (was, is) = (text(&earlier["payment"]["status"]), text(&later["payment"]["status"]));
    if funds(is) < funds(was) {
        return Some(format!("its payment was {was}, then {is}"));
    }
    let steps = |order: &'_ Value| order["history"].as_array().cloned().unwrap_or_default();
    let (was, is) = (steps(earlier), steps(later));
    (!is.starts_with(&was)).then(|| format!("its history was {}, then {}", told(&was), told(&is)))
}

/// Whether an order can be paid no more once it was seen so.
pub(super) fn is_past_paying(order: &Value) -> bool {
    funds(text(&order["payment"]["status"])) > Funds::Awaited
        || matches!(text(&order["status"]), "completed" | "cancelled")
}

/// Whether an order can come from one status to another, in any number of moves.
fn may_follow(was: &str, is: &str) -> bool {
    let next: &[&str] = match was {
        "pending" => &["confirmed", "paid", "shipped", "completed", "cancelled"],
        "confirmed" => &["paid", "shipped", "completed", "cancelled"],
        "paid" => &["shipped", "completed", "cancelled"],
        "shipped" => &["completed"],
        _ => &[],
    };
    was == is || next.contains(&is)
}

/// How far the money of an order has come, whichever of its payments shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Funds {
    /// Nobody has asked for it.
    None,
    /// A payment is open, under way or failed; after a failed one another may begin.
    Awaited,
    Here,
    GoingBack,
    Gone,
}

fn funds(payment: &str) -> Funds {
    match payment {
        "completed" => Funds::Here,
        "refund_pending" => Funds::GoingBack,
        "refunded" => Funds::Gone,
        "requires_payment" | "processing" | "failed" => Funds::Awaited,
        _ => Funds::None,
    }
}

/// A history in a line: `pending, pending (requires_payment), paid (completed)`.
fn told(steps: &[Value]) -> String {
    let step = |step: &Value| match step["payment"].as_str() {
        Some(payment) => format!("{} ({payment})", text(&step["status"])),
        None => text(&step["status"]).to_owned(),
    };
    steps.iter().map(step).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::{order, stepped};

    /// An order at each step of its life.
    fn life() -> Vec<Value> {
        let steps = [
            ("pending", Some("requires_payment")),
            ("pending", Some("failed")),
            ("pending", Some("requires_payment")), // another attempt
            ("paid", Some("completed")),
            ("cancelled", Some("refund_pending")),
            ("cancelled", Some("refunded")),
        ];
        let mut life = vec![order("o-1")];
        for (status, payment) in steps {
            life.push(stepped(&life[life.len() - 1], status, payment));
        }
        life
    }

    #[test]
    fn an_order_may_be_seen_at_any_later_step_and_at_no_earlier_one() {
        let life = life();
        for (was, earlier) in life.iter().enumerate() {
            for (is, later) in life.iter().enumerate() {
                assert_eq!(went_back(earlier, later).is_none(), was <= is, "{earlier} {later}");
            }
        }
    }

    #[test]
    fn a_status_follows_only_those_that_lead_to_it() {
        let statuses = ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"];
        for (was, earlier) in statuses.iter().enumerate() {
            for (is, later) in statuses.iter().enumerate() {
                let dead_end = matches!((*earlier, *later), ("shipped" | "completed", "cancelled"));
                assert_eq!(may_follow(earlier, later), was <= is && !dead_end, "{earlier} {later}");
            }
        }
    }

    #[test]
    fn what_went_back_is_said() {
        let life = life();
        assert_eq!(went_back(&life[4], &life[3]).unwrap(), "it was paid, then pending");
        assert_eq!(went_back(&life[6], &life[5]).unwrap(), "its payment was refunded, then refund_pending");
        assert_eq!(
            went_back(&life[2], &life[1]).unwrap(),
            "its history was pending, pending (requires_payment), pending (failed), then pending, pending \
             (requires_payment)"
        );
    }

    #[test]
    fn what_was_ordered_and_what_it_costs_never_changes() {
        let earlier = order("o-1");
        for (field, value) in
            [("totalAmount", 24.0.into()), ("userId", "u-2".into()), ("currency", "EUR".into())]
        {
            let mut later = stepped(&earlier, "confirmed", None);
            later[field] = value;
            assert!(went_back(&earlier, &later).unwrap().starts_with(&format!("its {field} was ")));
        }
        let mut later = earlier.clone();
        later["products"][0]["quantity"] = 3.into();
        assert!(went_back(&earlier, &later).unwrap().starts_with("its products was "));
    }

    #[test]
    fn an_order_is_past_paying_once_its_money_came_or_it_is_over() {
        let life = life();
        let past: Vec<_> = life.iter().map(is_past_paying).collect();
        assert_eq!(past, [false, false, false, false, true, true, true]);
        assert!(is_past_paying(&stepped(&life[0], "cancelled", None)));
        assert!(!is_past_paying(&stepped(&life[0], "shipped", None)), "sent off on trust");
    }
}
