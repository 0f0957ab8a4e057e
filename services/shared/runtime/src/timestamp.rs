//! Times on the wire and in the database.

use time::OffsetDateTime;

/// A moment as protobuf has it.
pub fn to_proto(at: OffsetDateTime) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    prost_types::Timestamp { seconds: at.unix_timestamp(), nanos }
}

/// A moment as the database has it, in UTC. `None` outside the years that `time` can count.
pub fn from_proto(at: &prost_types::Timestamp) -> Option<OffsetDateTime> {
    let seconds = OffsetDateTime::from_unix_timestamp(at.seconds).ok()?;
    seconds.checked_add(time::Duration::nanoseconds(i64::from(at.nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_wire() {
        let at = time::macros::datetime!(2024-02-29 23:59:59.123456 UTC);
        assert_eq!(from_proto(&to_proto(at)), Some(at));
    }

    #[test]
    fn a_moment_beyond_counting_is_none() {
        assert_eq!(from_proto(&prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), None);
    }
}
