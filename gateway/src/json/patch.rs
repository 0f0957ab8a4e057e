//! What a PATCH names, told apart from what it leaves alone.

use serde::{Deserialize, Deserializer};

/// With `#[serde(default, deserialize_with = "given")]` a field that is absent is `None`, and one that is there is
/// what it says: a null reaches `T`, which has a meaning for it or refuses it.
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Patch {
        #[serde(default, deserialize_with = "given")]
        name: Option<String>,
        #[serde(default, deserialize_with = "given")]
        username: Option<Option<String>>,
    }

    #[test]
    fn a_null_is_not_an_absence() {
        let patch: Patch = serde_json::from_str(r#"{"username": null}"#).unwrap();
        assert_eq!((patch.name, patch.username), (None, Some(None)));
        let patch: Patch = serde_json::from_str(r#"{"name": "Ada"}"#).unwrap();
        assert_eq!((patch.name.as_deref(), patch.username), (Some("Ada"), None));
        assert!(serde_json::from_str::<Patch>(r#"{"name": null}"#).is_err());
    }
}
