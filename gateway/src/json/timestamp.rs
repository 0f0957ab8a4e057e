use std::borrow::Cow;

use bodega_runtime::timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

/// An RFC 3339 timestamp: in UTC in responses, with any offset in requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp(OffsetDateTime);

impl Timestamp {
    pub(crate) fn of(at: Option<prost_types::Timestamp>) -> Option<Self> {
        at.as_ref().and_then(timestamp::from_proto).map(Self)
    }
}

/// For fields that every message has; 1970-01-01 when one is missing nevertheless.
impl From<Option<prost_types::Timestamp>> for Timestamp {
    fn from(at: Option<prost_types::Timestamp>) -> Self {
        Self::of(at).unwrap_or(Self(OffsetDateTime::UNIX_EPOCH))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.format(&Rfc3339).map_err(S::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match OffsetDateTime::parse(&text, &Rfc3339) {
            Ok(at) => Ok(Self(at)),
            Err(_) => Err(D::Error::custom("expected an RFC 3339 timestamp such as 2026-11-21T09:30:00Z")),
        }
    }
}

impl From<Timestamp> for prost_types::Timestamp {
    fn from(timestamp: Timestamp) -> Self {
        timestamp::to_proto(timestamp.0)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("An RFC 3339 timestamp in UTC."))
            .examples(["2026-11-21T09:30:00.123456Z"])
            .into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_timestamps_in_utc() {
        let at = time::macros::datetime!(2024-02-29 23:59:59.5 UTC);
        let timestamp = Timestamp::of(Some(timestamp::to_proto(at)));
        assert_eq!(serde_json::to_string(&timestamp).unwrap(), r#""2024-02-29T23:59:59.5Z""#);
        assert_eq!(serde_json::to_string(&Timestamp::of(None)).unwrap(), "null");
    }

    #[test]
    fn reads_timestamps_with_any_offset() {
        let seconds = |json| {
            serde_json::from_str::<Timestamp>(json).map(|at| prost_types::Timestamp::from(at).seconds).ok()
        };
        assert_eq!(seconds(r#""2026-11-21T09:30:00Z""#), Some(1_795_253_400));
        assert_eq!(seconds(r#""2026-11-21T11:30:00+02:00""#), Some(1_795_253_400));
        for json in [r#""2026-11-21""#, r#""2026-11-21T09:30:00""#, r#""now""#, r#""""#] {
            assert_eq!(seconds(json), None, "{json}");
        }
    }
}
