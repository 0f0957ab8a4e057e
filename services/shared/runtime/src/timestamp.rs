//! Conversion between protobuf and database timestamps.

use time::OffsetDateTime;

/// Converts to protobuf.
pub fn to_proto(at: OffsetDateTime) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    prost_types::Timestamp { seconds: at.unix_timestamp(), nanos }
}

/// Converts from protobuf, to UTC. Returns `None` outside the years that [`OffsetDateTime`] can hold.
pub fn from_proto(at: &prost_types::Timestamp) -> Option<OffsetDateTime> {
    let seconds = OffsetDateTime::from_unix_timestamp(at.seconds).ok()?;
    seconds.checked_add(time::Duration::nanoseconds(i64::from(at.nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_there_and_back() {
        let at = time::macros::datetime!(2024-02-29 23:59:59.123456 UTC);
        assert_eq!(from_proto(&to_proto(at)), Some(at));
    }

    #[test]
    fn rejects_a_timestamp_out_of_range() {
        assert_eq!(from_proto(&prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), None);
    }
}
