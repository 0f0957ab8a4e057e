use bodega_proto::catalog::v1::{self as pb, id_or_name};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::ToSchema;

/// A category or tag, by id or by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected an id or a name")]
#[schema(example = "Kitchen")]
pub(crate) enum IdOrName {
    /// The id.
    Id(i32),
    /// The name, case-insensitive.
    Name(String),
}

impl From<IdOrName> for pb::IdOrName {
    fn from(id_or_name: IdOrName) -> Self {
        let value = match id_or_name {
            IdOrName::Id(id) => id_or_name::Value::Id(id),
            IdOrName::Name(name) => id_or_name::Value::Name(name),
        };
        Self { value: Some(value) }
    }
}

/// Reads repeated query parameters: digits are an id, all else is a name.
pub(crate) fn ids_or_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IdOrName>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let read = |text: String| match text.parse() {
        Ok(id) => Ok(IdOrName::Id(id)),
        Err(_) if text.trim().is_empty() => Err(D::Error::custom("expected an id or a name")),
        Err(_) => Ok(IdOrName::Name(text)),
    };
    texts.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_as_an_id_and_a_string_as_a_name() {
        let read = |json| serde_json::from_str::<IdOrName>(json);
        assert_eq!(read("3").unwrap(), IdOrName::Id(3));
        assert_eq!(read("\"3\"").unwrap(), IdOrName::Name("3".to_owned()));
        for json in ["99999999999", "1.5", "true", "{\"id\": 3}"] {
            assert!(read(json).unwrap_err().to_string().contains("expected an id or a name"), "{json}");
        }
    }
}
