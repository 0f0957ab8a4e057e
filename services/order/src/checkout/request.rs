//! The request to place an order.

use bodega_proto::order::v1::CheckoutForm;
use bodega_runtime::status::Violations;

use super::{
    db::checkouts::{CheckoutState, Stage},
    form::{CONTACT_EMAIL, Form, Purpose},
};
use crate::fields::check_idempotency_key;

/// A validated request.
#[derive(Debug)]
pub(crate) struct PlaceOrder {
    pub idempotency_key: Option<String>,
    /// The total that the client requires, in minor units.
    pub expected_total_minor: Option<i64>,
    pub form: Form,
    /// The hash of the form; `None` for an empty one.
    pub request_hash: Option<Vec<u8>>,
}

impl PlaceOrder {
    /// An empty key stands for none. A guest must have entered an email address.
    ///
    /// # Errors
    /// The invalid fields.
    pub(crate) fn new(
        idempotency_key: String,
        expected_total_minor: Option<i64>,
        form: Option<CheckoutForm>,
        is_guest: bool,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        check_idempotency_key(&idempotency_key, &mut violations);
        violations.require(
            expected_total_minor.is_none_or(|total| total >= 0),
            "expected_total_minor",
            "must not be negative",
        );
        let form = Form::parse(form, Purpose::Order, &mut violations);
        // An address that is entered is checked above.
        violations.require(!is_guest || form.personal.contact.is_some(), CONTACT_EMAIL, "is required");
        violations.finish()?;
        let idempotency_key = Some(idempotency_key).filter(|key| !key.is_empty());
        Ok(Self { idempotency_key, expected_total_minor, request_hash: form.hash(), form })
    }

    /// Returns whether this request gets the result of a checkout of the same version of the cart. A placed order is the result of
    /// all such requests that ask for nothing else. While the checkout may still be rejected, both must have the same form and
    /// expect the same total.
    pub(super) fn shares_result_of(&self, checkout: &CheckoutState) -> bool {
        match checkout.stage {
            Stage::Placed => {
                let CheckoutState { expected_total_minor, request_hash, .. } = checkout;
                (self.expected_total_minor.is_none() || self.expected_total_minor == *expected_total_minor)
                    && (self.request_hash.is_none() || self.request_hash == *request_hash)
            }
            Stage::Placing => {
                self.is_request(checkout.expected_total_minor, checkout.request_hash.as_deref())
            }
            Stage::Rejected => false,
        }
    }

    /// Returns whether this is the same request, beside its key.
    pub(super) fn is_request(&self, expected_total_minor: Option<i64>, request_hash: Option<&[u8]>) -> bool {
        self.expected_total_minor == expected_total_minor && self.request_hash.as_deref() == request_hash
    }
}

#[cfg(test)]
mod tests {
    use bodega_proto::order::v1::CheckoutContact;

    use super::*;

    #[test]
    fn accepts_printable_keys_of_up_to_255_characters() {
        let key = |key: &str| PlaceOrder::new(key.to_owned(), None, None, false);
        assert_eq!(key("").unwrap().idempotency_key, None);
        assert_eq!(key("a key ~").unwrap().idempotency_key.as_deref(), Some("a key ~"));
        assert!(key(&"k".repeat(255)).is_ok());
        for invalid in ["tab\t", "nul\0", "é", &"k".repeat(256)] {
            assert!(key(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn rejects_a_negative_total_and_names_the_field() {
        let violations = PlaceOrder::new(String::new(), Some(-1), None, false).unwrap_err();
        assert_eq!(violations.to_string(), "expected_total_minor must not be negative");
    }

    #[test]
    fn a_guest_must_enter_an_email_address() {
        let violations = PlaceOrder::new(String::new(), None, None, true).unwrap_err();
        assert_eq!(violations.to_string(), "contact.email is required");
        let form = |email: &str| {
            let contact = CheckoutContact { email: email.to_owned(), ..CheckoutContact::default() };
            Some(CheckoutForm { contact: Some(contact), ..CheckoutForm::default() })
        };
        assert!(PlaceOrder::new(String::new(), None, form("ada@example.com"), true).is_ok());
        for invalid in ["", "ada"] {
            let violations = PlaceOrder::new(String::new(), None, form(invalid), true).unwrap_err();
            assert!(violations.to_string().starts_with("contact.email must be"), "{violations}");
        }
    }
}
