//! Flags and environment variables of checkouts.

use bodega_runtime::rate_limit::RateLimits;

const DEFAULT_MAX_PENDING_ORDERS: u32 = 20;

/// Checkouts.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckoutArgs {
    /// Orders of a user that may wait for payment or confirmation at the same time; `off` for no limit [default: 20, or off
    /// without rate limits]
    #[arg(long, env = "BODEGA_MAX_PENDING_ORDERS", value_parser = max_pending_orders)]
    max_pending_orders: Option<MaxPendingOrders>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MaxPendingOrders {
    Default,
    Off,
    Max(u32),
}

impl CheckoutArgs {
    /// Returns the number of pending orders that a user may have, or `None` if there is no limit.
    pub fn max_pending_orders(&self, rate_limits: RateLimits) -> Option<u32> {
        match self.max_pending_orders {
            Some(MaxPendingOrders::Max(max)) => Some(max),
            Some(MaxPendingOrders::Off) => None,
            Some(MaxPendingOrders::Default) | None => {
                rate_limits.are_on().then_some(DEFAULT_MAX_PENDING_ORDERS)
            }
        }
    }
}

fn max_pending_orders(text: &str) -> Result<MaxPendingOrders, String> {
    match text.trim() {
        "" => Ok(MaxPendingOrders::Default),
        "off" => Ok(MaxPendingOrders::Off),
        text => match text.parse() {
            Ok(max @ 1..=1_000) => Ok(MaxPendingOrders::Max(max)),
            _ => Err("use a number from 1 to 1000, or off".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_parsed() {
        for (text, on, off) in [
            (None, Some(20), None),
            (Some(""), Some(20), None),
            (Some("1"), Some(1), Some(1)),
            (Some("1000"), Some(1000), Some(1000)),
            (Some("off"), None, None),
        ] {
            let max_pending_orders = text.map(|text| max_pending_orders(text).unwrap());
            let args = CheckoutArgs { max_pending_orders };
            assert_eq!(args.max_pending_orders(RateLimits::On), on, "{text:?}");
            assert_eq!(args.max_pending_orders(RateLimits::Off), off, "{text:?}");
        }
        for text in ["0", "-1", "1001", "1.5", "OFF", "none"] {
            assert!(max_pending_orders(text).is_err(), "{text:?}");
        }
    }
}
