//! The cards that shoppers pay with. See <https://docs.stripe.com/testing#cards>.

/// A card, and what becomes of a payment with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// Is charged at once.
    Visa,
    /// Is declined.
    Declined,
    /// Is declined, for there is too little on it.
    InsufficientFunds,
    /// Is charged once its owner has said yes to the bank: the intent is `requires_action` until it is settled.
    AuthenticationRequired,
    /// Takes its time: the intent is `processing` until it is settled. Not a card really, but a bank account.
    Slow,
}

impl Card {
    const ALL: [Self; 5] =
        [Self::Visa, Self::Declined, Self::InsufficientFunds, Self::AuthenticationRequired, Self::Slow];

    /// The id of the payment method that stands for it in test mode.
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

    /// The card of a payment method; names of Stripe's with `visa_` in them are known too.
    pub(crate) fn of(payment_method: &str) -> Option<Self> {
        let short = payment_method.replacen("_visa_", "_", 1);
        Self::ALL.into_iter().find(|card| card.payment_method() == short)
    }
}
