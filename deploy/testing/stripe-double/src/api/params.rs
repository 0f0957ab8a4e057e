//! The parameters of a request, from its query and its form.

use std::ops::RangeInclusive;

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};

use crate::{
    error::Error,
    ledger::{Metadata, Page},
};

const FORM: &str = "application/x-www-form-urlencoded";
/// Properties that contain the id of an object, and `data`, the objects of a list.
const EXPANDABLE: [&str; 4] = ["charge", "data", "latest_charge", "payment_intent"];

/// Parameters in the order of the request. Nested ones have names such as `metadata[order_id]`.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query and the form of a request.
    ///
    /// # Errors
    /// When the body is not a form.
    pub(crate) fn read(request: &Request<Bytes>) -> Result<Self, Error> {
        let body = request.body();
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = content_type.is_some_and(|content_type| content_type.starts_with(FORM));
        if request.method() == Method::POST && !body.is_empty() && !is_form {
            return Err(Error::invalid(format!(
                "Invalid request (check that your POST content type is {FORM}). If you have any questions, we can \
                 help at https://support.stripe.com/."
            )));
        }
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        Ok(Self(query.into_owned().chain(form_urlencoded::parse(body).into_owned()).collect()))
    }

    /// Returns a text that differs for different parameters, to detect another request with the same idempotency key.
    pub(crate) fn fingerprint(&self) -> String {
        let mut pairs = self.0.clone();
        pairs.sort();
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// Rejects unknown parameters.
    ///
    /// # Errors
    /// When there is a parameter other than these and those that every request may have.
    pub(crate) fn allow_only(&self, known: &[&str]) -> Result<(), Error> {
        for (name, _) in &self.0 {
            let stem = name.split('[').next().unwrap_or_default();
            if !known.contains(&stem) && !["expand", "key"].contains(&stem) {
                let message = format!("Received unknown parameter: {name}");
                return Err(Error::invalid(message).code("parameter_unknown").with("param", name.as_str()));
            }
        }
        Ok(())
    }

    /// Returns an optional text.
    ///
    /// # Errors
    /// When it is empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match self.0.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) if value.is_empty() => {
                let message = format!(
                    "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a \
                     parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or \
                     supply a non-empty value."
                );
                Err(Error::invalid(message).code("parameter_invalid_empty").with("param", name))
            }
            found => Ok(found.map(|(_, value)| value.clone())),
        }
    }

    /// Returns an optional text, which must be one of `values`.
    ///
    /// # Errors
    /// When the value is not one of them.
    pub(crate) fn one_of(&self, name: &str, values: &[&str]) -> Result<Option<String>, Error> {
        let value = self.text(name)?;
        match value {
            Some(value) if !values.contains(&&*value) => {
                let message = format!("Invalid {name}: must be one of {}", values.join(", "));
                Err(Error::invalid(message).with("param", name))
            }
            value => Ok(value),
        }
    }

    /// Returns an optional integer.
    ///
    /// # Errors
    /// When it is not an integer, or out of range.
    pub(crate) fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let invalid = |message: String, code| Err(Error::invalid(message).code(code).with("param", name));
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            Ok(number) if number < *range.start() => {
                let message = format!("This value must be greater than or equal to {}.", range.start());
                invalid(message, "parameter_invalid_integer")
            }
            Ok(_) if name == "amount" => {
                invalid("Amount must be no more than $999,999.99".to_owned(), "amount_too_large")
            }
            Ok(_) => {
                let message = format!("This value must be less than or equal to {}.", range.end());
                invalid(message, "parameter_invalid_integer")
            }
            Err(_) => invalid(format!("Invalid integer: {text}"), "parameter_invalid_integer"),
        }
    }

    /// Returns the metadata of an object.
    ///
    /// # Errors
    /// When there are more than 50 keys, a key is longer than 40 characters or a value than 500.
    pub(crate) fn metadata(&self) -> Result<Metadata, Error> {
        let mut metadata = Metadata::new();
        for (name, value) in &self.0 {
            let key = name.strip_prefix("metadata[").and_then(|key| key.strip_suffix(']'));
            let Some(key) = key else { continue };
            for (part, text, max) in [("keys", key, 40), ("values", value, 500)] {
                if text.chars().count() > max {
                    let message = format!("Metadata {part} can have up to {max} characters.");
                    return Err(Error::invalid(message).with("param", "metadata"));
                }
            }
            if !value.is_empty() {
                metadata.insert(key.to_owned(), value.clone());
            }
        }
        if metadata.len() > 50 {
            return Err(Error::invalid("Metadata can have up to 50 keys.").with("param", "metadata"));
        }
        Ok(metadata)
    }

    /// Returns the properties to expand from ids to objects.
    ///
    /// # Errors
    /// When one of them is not expandable.
    pub(crate) fn expand(&self) -> Result<Vec<String>, Error> {
        let paths = self.0.iter().filter(|(name, _)| name.starts_with("expand["));
        let paths =
            paths.map(|(_, path)| match path.split('.').all(|name| EXPANDABLE.contains(&name)) {
                true => Ok(path.clone()),
                false => Err(Error::invalid(format!("This property cannot be expanded ({path})."))
                    .with("param", "expand")),
            });
        paths.collect()
    }

    /// Returns the requested page of a list.
    ///
    /// # Errors
    /// When the limit is not between 1 and 100.
    pub(crate) fn page(&self) -> Result<Page, Error> {
        let limit = self.integer("limit", 1..=100)?.and_then(|limit| usize::try_from(limit).ok());
        Ok(Page { limit: limit.unwrap_or(10), starting_after: self.text("starting_after")? })
    }
}

/// Returns the error for a missing parameter.
pub(crate) fn missing(name: &str) -> Error {
    Error::invalid(format!("Missing required param: {name}.")).code("parameter_missing").with("param", name)
}
