//! What names a category or tag in a request: its id, or its name.

use bodega_proto::catalog::v1::{self as pb, id_or_name};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::ToSchema;

/// A category or tag, by id or by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "use an id or a name")]
pub(crate) enum Reference {
    /// By id.
    Id(i32),
    /// By name, without regard to case.
    Name(String),
}

impl From<Reference> for pb::IdOrName {
    fn from(reference: Reference) -> Self {
        let reference = match reference {
            Reference::Id(id) => id_or_name::Value::Id(id),
            Reference::Name(name) => id_or_name::Value::Name(name),
        };
        Self { value: Some(reference) }
    }
}

/// Reads the parameters of a query: digits are an id, all else is a name.
pub(crate) fn references<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Reference>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let read = |text: String| match text.parse() {
        Ok(id) => Ok(Reference::Id(id)),
        Err(_) if text.trim().is_empty() => Err(D::Error::custom("use an id or a name")),
        Err(_) => Ok(Reference::Name(text)),
    };
    texts.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_id_and_a_text_a_name() {
        let read = |json| serde_json::from_str::<Reference>(json);
        assert_eq!(read("3").unwrap(), Reference::Id(3));
        assert_eq!(read("\"3\"").unwrap(), Reference::Name("3".to_owned()));
        for json in ["99999999999", "1.5", "true", "{\"id\": 3}"] {
            assert!(read(json).unwrap_err().to_string().contains("use an id or a name"), "{json}");
        }
    }
}
