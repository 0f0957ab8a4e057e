//! Test cards. See <https://docs.stripe.com/testing#cards>.

/// A test card; each has a fixed result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// Succeeds.
    Visa,
    /// Is declined.
    Declined,
    /// Is declined with `insufficient_funds`.
    InsufficientFunds,
    /// Requires authentication: the intent is `requires_action` until it is settled.
    AuthenticationRequired,
    /// A bank account with delayed notification: the intent is `processing` until it is settled.
    Slow,
}

impl Card {
    const ALL: [Self; 5] =
        [Self::Visa, Self::Declined, Self::InsufficientFunds, Self::AuthenticationRequired, Self::Slow];

    /// Returns the id of the card's payment method in Stripe's test mode.
    #[must_use]
    pub const fn payment_method(self) -> &'static str {
        match self {
            Self::Visa => "pm_card_visa",
            Self::Declined => "pm_card_chargeDeclined",
            Self::InsufficientFunds => "pm_card_chargeDeclinedInsufficientFunds",
            Self::AuthenticationRequired => "pm_card_authenticationRequired",
            Self::Slow => "pm_usBankAccount_processing",
        }
    }

    /// Returns the card of a payment method id; `visa_` in the id is optional.
    pub(crate) fn of(payment_method: &str) -> Option<Self> {
        let short = payment_method.replacen("_visa_", "_", 1);
        Self::ALL.into_iter().find(|card| card.payment_method() == short)
    }
}
