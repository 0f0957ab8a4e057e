//! JSON inputs of which a PATCH may provide any subset of the fields.

use serde::{Deserialize, Deserializer};
use utoipa::openapi::{
    RefOr, Schema,
    schema::{SchemaType, Type},
};

use crate::problem::Problem;

/// Distinguishes a null from an absent field: with `#[serde(default, deserialize_with = "provided")]` an absent field is
/// `None`, and a null reaches `T`, which either has a meaning for it or rejects it.
pub(crate) fn provided<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The value of a required field.
///
/// # Errors
/// 422 `invalid_field` when the field is absent.
pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::invalid(field, "is required"))
}

/// Returns the schema of a PATCH: no field is required, and the fields in `not_null` must not be null.
pub(crate) fn partial_schema(whole: RefOr<Schema>, description: &str, not_null: &[&str]) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = whole else { return whole };
    object.description = Some(description.to_owned());
    object.required.clear();
    for (name, property) in &mut object.properties {
        if !not_null.contains(&name.as_str()) {
            continue;
        }
        let schema_type = match property {
            RefOr::T(Schema::Object(property)) => &mut property.schema_type,
            RefOr::T(Schema::Array(property)) => &mut property.schema_type,
            _ => continue,
        };
        if let SchemaType::Array(types) = schema_type
            && let Some(not_null) = types.iter().find(|schema_type| **schema_type != Type::Null)
        {
            *schema_type = SchemaType::Type(not_null.clone());
        }
    }
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Patch {
        #[serde(default, deserialize_with = "provided")]
        name: Option<String>,
        #[serde(default, deserialize_with = "provided")]
        username: Option<Option<String>>,
    }

    #[test]
    fn distinguishes_a_null_from_an_absent_field() {
        let patch: Patch = serde_json::from_str(r#"{"username": null}"#).unwrap();
        assert_eq!((patch.name, patch.username), (None, Some(None)));
        let patch: Patch = serde_json::from_str(r#"{"name": "Ada"}"#).unwrap();
        assert_eq!((patch.name.as_deref(), patch.username), (Some("Ada"), None));
        assert!(serde_json::from_str::<Patch>(r#"{"name": null}"#).is_err());
    }
}
