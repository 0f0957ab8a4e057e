//! What a customer enters at checkout.
//!
//! It is stored with the checkout, so that each process that continues it computes the same total, and it is part of what an
//! idempotency key stands for.

#[cfg(test)]
mod tests;

use aws_lc_rs::digest::{SHA256, digest};
use bodega_proto::order::v1 as pb;
use bodega_runtime::status::Violations;
use serde::{Deserialize, Serialize};

use super::pricing_inputs::Place;
use crate::fields::{parse_code, parse_country};

/// The field that an order of a guest requires.
pub(crate) const CONTACT_EMAIL: &str = "contact.email";

const MAX_EMAIL_LENGTH: usize = 254;
const MAX_PHONE_LENGTH: usize = 30;
const MAX_CODES: usize = 5;
const MAX_NOTE_LENGTH: usize = 1_000;
const MAX_LOCALE_LENGTH: usize = 35;

/// A validated form. Fields that a customer has left empty are left out of its JSON: so the hash of a request stays the same
/// when a later version has more fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Form {
    #[serde(flatten)]
    pub choices: Choices,
    #[serde(flatten)]
    pub personal: Personal,
}

/// The part that is kept when the user is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choices {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method: Option<i32>,
    /// In upper case, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discount_codes: Vec<String>,
    /// A BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// Personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Personal {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Texts are empty if they are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Contact {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phone: String,
}

/// Texts are empty if they are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub company: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub line1: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub line2: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub city: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub postal_code: String,
    /// ISO 3166-1 alpha-2, in upper case.
    pub country: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phone: String,
}

/// What a form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Contact and addresses may be incomplete, but an address has a country.
    Quote,
    Order,
}

impl Form {
    /// Trims the fields; changes countries and codes to upper case. Adds violations to `violations`.
    pub(crate) fn parse(
        form: Option<pb::CheckoutForm>,
        purpose: Purpose,
        violations: &mut Violations,
    ) -> Self {
        let form = form.unwrap_or_default();
        let contact = form.contact.map(|contact| parse_contact(&contact, purpose, violations));
        let mut address = |address: Option<pb::PostalAddress>, field| {
            address.map(|address| parse_address(&address, field, purpose, violations))
        };
        let shipping_address = address(form.shipping_address, "shipping_address");
        let billing_address = address(form.billing_address, "billing_address");
        let is_id = form.shipping_method.is_none_or(|id| id > 0);
        violations.require(is_id, "shipping_method", "must be the id of a shipping method");
        let note = form.note.trim();
        violations.require_text(note, 0, MAX_NOTE_LENGTH, "note");
        let locale = form.locale.trim();
        violations.require(is_locale(locale), "locale", "must be a BCP 47 tag such as pt-BR");
        let choices = Choices {
            shipping_method: form.shipping_method,
            discount_codes: parse_codes(&form.discount_codes, violations),
            locale: non_empty(locale),
        };
        let personal = Personal { contact, shipping_address, billing_address, note: non_empty(note) };
        Self { choices, personal }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the hash that identifies the form, or `None` for an empty one.
    pub(crate) fn hash(&self) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        // Texts and numbers only: this cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Some(digest(&SHA256, &json).as_ref().to_vec())
    }

    /// Returns where the items are shipped; `None` for the store's own country.
    pub(crate) fn place(&self) -> Option<Place> {
        let address = self.personal.shipping_address.as_ref()?;
        Some(Place { country: address.country.clone(), region: address.region.clone() })
    }
}

fn parse_contact(contact: &pb::CheckoutContact, purpose: Purpose, violations: &mut Violations) -> Contact {
    let email = contact.email.trim();
    violations.require(
        is_email(email) || email.is_empty() && purpose == Purpose::Quote,
        CONTACT_EMAIL,
        format!("must be an email address of at most {MAX_EMAIL_LENGTH} characters"),
    );
    let mut text = |value: &str, max, field| {
        violations.require_line(value.trim(), 0, max, field);
        value.trim().to_owned()
    };
    Contact {
        email: email.to_owned(),
        name: text(&contact.name, 100, "contact.name"),
        phone: text(&contact.phone, MAX_PHONE_LENGTH, "contact.phone"),
    }
}

/// Returns whether mail can be sent to `text`.
fn is_email(text: &str) -> bool {
    text.chars().count() <= MAX_EMAIL_LENGTH
        && bodega_mail::mailbox(text).is_ok_and(|mailbox| mailbox.email.to_string() == text)
}

fn parse_address(
    address: &pb::PostalAddress,
    parent: &str,
    purpose: Purpose,
    violations: &mut Violations,
) -> Address {
    let country = parse_country(&address.country, &format!("{parent}.country"), violations);
    let required = match purpose {
        Purpose::Quote => 0,
        Purpose::Order => 1,
    };
    let mut text = |value: &str, field, min, max| {
        violations.require_line(value.trim(), min, max, &format!("{parent}.{field}"));
        value.trim().to_owned()
    };
    Address {
        name: text(&address.name, "name", required, 100),
        company: text(&address.company, "company", 0, 100),
        line1: text(&address.line1, "line1", required, 200),
        line2: text(&address.line2, "line2", 0, 200),
        city: text(&address.city, "city", required, 100),
        region: text(&address.region, "region", 0, 100),
        postal_code: text(&address.postal_code, "postal_code", 0, 20),
        country,
        phone: text(&address.phone, "phone", 0, MAX_PHONE_LENGTH),
    }
}

fn parse_codes(codes: &[String], violations: &mut Violations) -> Vec<String> {
    let has_few = codes.len() <= MAX_CODES;
    violations.require(has_few, "discount_codes", format!("must have at most {MAX_CODES} entries"));
    let mut parsed = Vec::new();
    // Limits the number of violations.
    for (index, code) in codes.iter().take(MAX_CODES).enumerate() {
        let code = parse_code(code, &format!("discount_codes[{index}]"), violations);
        if !parsed.contains(&code) {
            parsed.push(code);
        }
    }
    parsed
}

fn is_locale(text: &str) -> bool {
    let is_subtag =
        |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.is_empty() || text.len() <= MAX_LOCALE_LENGTH && text.split('-').all(is_subtag)
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
