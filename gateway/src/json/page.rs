use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// The items of this page.
    pub(crate) items: Vec<T>,
    /// Pass it as `cursor` to get the next page. Null on the last page.
    #[serde(serialize_with = "null_if_empty")]
    #[schema(value_type = Option<String>, required, example = "eyJpZCI6N30")]
    pub(crate) next_cursor: String,
}

fn null_if_empty<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.is_empty() { serializer.serialize_none() } else { serializer.serialize_str(text) }
}
