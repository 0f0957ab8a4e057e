//! Deserialization errors as a field and a message.

use std::fmt::Display;

/// The field that was rejected, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    pub(super) field: String,
    pub(super) message: String,
}

impl FieldError {
    /// Parses an error at `path`. serde names unknown, missing and repeated fields only in the text of the error.
    pub(super) fn new(path: &str, error: &impl Display) -> Self {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        let message = match text {
            _ if text.starts_with("unknown field") => "is not a field of this request",
            _ if text.starts_with("missing field") => "is required",
            _ if text.starts_with("duplicate field") => "is given twice",
            _ => {
                let field = if path == "." { "body" } else { path };
                return Self { field: field.to_owned(), message: format!("is invalid: {text}") };
            }
        };
        let name = text.split('`').nth(1).unwrap_or_default();
        let field = match path {
            "." => name.to_owned(),
            _ if path.ends_with(name) => path.to_owned(),
            _ => format!("{path}.{name}"),
        };
        Self { field, message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_field_in_the_error() {
        for (path, text, field, message) in [
            (
                ".",
                "unknown field `colour`, expected `name` at line 1 column 9",
                "colour",
                "is not a field of this request",
            ),
            ("lines[0]", "missing field `quantity` at line 1 column 2", "lines[0].quantity", "is required"),
            ("limit", "duplicate field `limit`", "limit", "is given twice"),
            ("limit", "invalid digit found in string", "limit", "is invalid: invalid digit found in string"),
            (".", "invalid type: null", "body", "is invalid: invalid type: null"),
        ] {
            let expected = FieldError { field: field.to_owned(), message: message.to_owned() };
            assert_eq!(FieldError::new(path, &text), expected, "{text}");
        }
    }
}
