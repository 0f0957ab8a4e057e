//! The body of quotes and orders.

use bodega_proto::{
    identity::v1::{Address as SavedAddress, GetProfileRequest},
    order::v1 as pb,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    json::{AmountInput, Object},
    problem::Problem,
    response::present,
};

/// What a customer enters at checkout. Everything is optional, unless the store requires it; guests must enter an email address.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "contact": {"email": "ada@example.com", "name": "Ada Lovelace"},
    "shippingAddress": {
        "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4JH",
        "country": "GB"
    },
    "shippingMethod": 3, "discountCodes": ["SPRING"], "note": "Please ring twice.", "locale": "en-GB", "expectedTotal": 27.40
}))]
pub(crate) struct PlaceOrderInput {
    /// Total that the client showed to the user, in major units of the currency. The order is rejected when its total
    /// would differ.
    #[serde(default, alias = "expected_total")]
    pub(crate) expected_total: Option<AmountInput>,
    /// Who buys. Required for an order of a guest.
    #[serde(default)]
    #[schema(value_type = Option<ContactInput>)]
    contact: Option<Object<ContactInput>>,
    /// Where the products are shipped. It also decides taxes and shipping methods; without it, the store's own country does.
    #[serde(default, alias = "shipping_address")]
    #[schema(value_type = Option<CheckoutAddressInput>)]
    shipping_address: Option<Object<CheckoutAddressInput>>,
    /// To whom the invoice is addressed; the shipping address by default.
    #[serde(default, alias = "billing_address")]
    #[schema(value_type = Option<CheckoutAddressInput>)]
    billing_address: Option<Object<CheckoutAddressInput>>,
    /// Id of the shipping method, one of those in the quote.
    #[serde(default, alias = "shipping_method")]
    #[schema(minimum = 1)]
    shipping_method: Option<i32>,
    /// Discount codes, in any case.
    #[serde(default, alias = "discount_codes")]
    #[schema(max_items = 5)]
    discount_codes: Option<Vec<String>>,
    /// Note for the merchant.
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: Option<String>,
    /// Language of the customer, a BCP 47 tag.
    #[serde(default)]
    #[schema(max_length = 35, example = "en-GB")]
    locale: Option<String>,
}

/// Who buys.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "name": "Ada Lovelace"}))]
pub(crate) struct ContactInput {
    /// Email address for messages about the order.
    #[schema(max_length = 254)]
    email: String,
    /// Full name.
    #[serde(default)]
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Phone number.
    #[serde(default)]
    #[schema(max_length = 30)]
    phone: Option<String>,
}

/// An address, or the index of one in the caller's profile.
#[derive(Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4JH", "country": "GB"
}))]
pub(crate) struct CheckoutAddressInput {
    /// Name of the recipient. Required for an order.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Company.
    #[schema(max_length = 100)]
    company: Option<String>,
    /// Street and house number. Required for an order.
    #[schema(max_length = 200)]
    line1: Option<String>,
    /// Apartment or floor.
    #[schema(max_length = 200)]
    line2: Option<String>,
    /// City. Required for an order.
    #[schema(max_length = 100)]
    city: Option<String>,
    /// State, province or county.
    #[schema(max_length = 100)]
    region: Option<String>,
    /// Postal or ZIP code.
    #[serde(alias = "postal_code")]
    #[schema(max_length = 20)]
    postal_code: Option<String>,
    /// ISO 3166-1 alpha-2 code of the country. Required, unless `addressIndex` is given.
    #[schema(max_length = 2, example = "GB")]
    country: String,
    /// Phone number for the carrier.
    #[schema(max_length = 30)]
    phone: Option<String>,
    /// Index of an address in the caller's profile, from 0. No other field may be given then.
    #[serde(alias = "address_index")]
    #[schema(maximum = 19)]
    address_index: Option<u32>,
}

impl PlaceOrderInput {
    /// Returns whether it says who buys.
    pub(crate) fn has_contact(&self) -> bool {
        self.contact.is_some()
    }

    /// Returns the expected total in minor units.
    ///
    /// # Errors
    /// 422 if it is no amount of the store's currency.
    pub(crate) fn expected_total_minor(&self, app: &App) -> Result<Option<i64>, Problem> {
        let total = self.expected_total.as_ref();
        total.map(|total| total.minor(app.currency(), "expectedTotal")).transpose()
    }

    /// Returns the form, with saved addresses instead of their indices; `None` if nothing is entered.
    ///
    /// # Errors
    /// 422 for an unknown index, and for that of a guest, who has no saved addresses; errors of identity.
    pub(crate) async fn into_form(
        self,
        app: &App,
        is_guest: bool,
    ) -> Result<Option<pb::CheckoutForm>, Problem> {
        let addresses = [&self.shipping_address, &self.billing_address];
        let saved = match addresses.into_iter().flatten().any(|Object(input)| input.address_index.is_some()) {
            true if !is_guest => saved_addresses(app).await?,
            true | false => Vec::new(),
        };
        let address = |input: Option<Object<CheckoutAddressInput>>, field| {
            input.map(|Object(input)| input.resolve(&saved, field)).transpose()
        };
        let contact = self.contact.map(|Object(contact)| {
            let ContactInput { email, name, phone } = contact;
            pb::CheckoutContact { email, name: name.unwrap_or_default(), phone: phone.unwrap_or_default() }
        });
        let form = pb::CheckoutForm {
            contact,
            shipping_address: address(self.shipping_address, "shippingAddress")?,
            billing_address: address(self.billing_address, "billingAddress")?,
            shipping_method: self.shipping_method,
            discount_codes: self.discount_codes.unwrap_or_default(),
            note: self.note.unwrap_or_default(),
            locale: self.locale.unwrap_or_default(),
        };
        Ok(Some(form).filter(|form| *form != pb::CheckoutForm::default()))
    }
}

/// Returns the addresses in the caller's profile.
async fn saved_addresses(app: &App) -> Result<Vec<SavedAddress>, Problem> {
    let response = app.identity().get_profile(GetProfileRequest {}).await?.into_inner();
    Ok(present(response.user)?.addresses)
}

impl CheckoutAddressInput {
    fn resolve(self, saved: &[SavedAddress], field: &str) -> Result<pb::PostalAddress, Problem> {
        let Some(index) = self.address_index else {
            let Self { name, company, line1, line2, city, region, postal_code, country, phone, .. } = self;
            return Ok(pb::PostalAddress {
                name: name.unwrap_or_default(),
                company: company.unwrap_or_default(),
                line1: line1.unwrap_or_default(),
                line2: line2.unwrap_or_default(),
                city: city.unwrap_or_default(),
                region: region.unwrap_or_default(),
                postal_code: postal_code.unwrap_or_default(),
                country,
                phone: phone.unwrap_or_default(),
            });
        };
        let field = format!("{field}.addressIndex");
        if self != (Self { address_index: Some(index), ..Self::default() }) {
            return Err(Problem::invalid(&field, "must be the only field"));
        }
        let found = usize::try_from(index).ok().and_then(|index| saved.get(index)).cloned();
        let found = found.ok_or_else(|| Problem::invalid(&field, "is not the index of a saved address"))?;
        let SavedAddress { name, line1, line2, city, region, postal_code, country, phone, is_default: _ } =
            found;
        let company = String::new();
        Ok(pb::PostalAddress { name, company, line1, line2, city, region, postal_code, country, phone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Vec<SavedAddress> {
        let address = |line1: &str| SavedAddress { line1: line1.to_owned(), ..SavedAddress::default() };
        vec![address("first"), address("second")]
    }

    fn resolve(json: &str) -> Result<String, String> {
        let input: CheckoutAddressInput = serde_json::from_str(json).unwrap();
        let resolved = input.resolve(&saved(), "shippingAddress");
        resolved.map(|address| address.line1).map_err(|problem| {
            let problem = serde_json::to_value(problem).unwrap();
            format!("{} {}", problem["errors"][0]["field"], problem["errors"][0]["message"])
        })
    }

    #[test]
    fn an_index_stands_for_a_saved_address() {
        assert_eq!(resolve(r#"{"line1": "third", "country": "GB"}"#).as_deref(), Ok("third"));
        assert_eq!(resolve(r#"{"addressIndex": 1}"#).as_deref(), Ok("second"));
        for (json, message) in [
            (r#"{"addressIndex": 2}"#, "is not the index of a saved address"),
            (r#"{"addressIndex": 1, "city": "London"}"#, "must be the only field"),
        ] {
            let error = resolve(json).unwrap_err();
            assert_eq!(error, format!(r#""shippingAddress.addressIndex" "{message}""#));
        }
    }

    #[test]
    fn rejects_unknown_fields() {
        assert!(serde_json::from_str::<PlaceOrderInput>(r#"{"coupon": "SPRING"}"#).is_err());
        let street = r#"{"shippingAddress": {"street": "Main St"}}"#;
        assert!(serde_json::from_str::<PlaceOrderInput>(street).is_err());
        assert!(serde_json::from_str::<PlaceOrderInput>(r#"{"contact": []}"#).is_err());
        assert!(serde_json::from_str::<PlaceOrderInput>(r#"{"contact": null, "note": null}"#).is_ok());
    }

    #[test]
    fn optional_fields_may_be_null() {
        let json = r#"{
            "contact": {"email": "ada@example.com", "name": null, "phone": null}, "discountCodes": null,
            "shippingAddress": {"company": null, "line2": null, "region": null, "postalCode": null, "phone": null}
        }"#;
        serde_json::from_str::<PlaceOrderInput>(json).unwrap();
    }
}
