//! Cursors and times of lists of orders.

use bodega_runtime::{page, status::Violations, timestamp};
use time::OffsetDateTime;
use tonic::Status;
use uuid::Uuid;

/// Times in a cursor have the precision of the database.
pub(super) fn microseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

/// Decodes the placement time and id of the last order of the previous page.
pub(super) fn cursor(cursor: &str) -> Result<Option<(OffsetDateTime, Uuid)>, Status> {
    let Some((microseconds, id)) = page::decode::<(i64, Uuid)>(cursor)? else { return Ok(None) };
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1000).ok();
    let time = time.filter(|time| is_supported(*time)).ok_or_else(page::invalid_cursor)?;
    Ok(Some((time, id)))
}

/// Checks the number of an order.
pub(super) fn number(number: Option<i64>) -> Result<Option<i64>, Violations> {
    let mut violations = Violations::new();
    violations.require(number.is_none_or(|number| number > 0), "number", "must be greater than 0");
    violations.finish().map(|()| number)
}

/// Converts a limit of the placement time.
pub(super) fn time(
    field: &str,
    time: Option<&prost_types::Timestamp>,
) -> Result<Option<OffsetDateTime>, Status> {
    let Some(time) = time else { return Ok(None) };
    let time = timestamp::from_proto(time).filter(|time| is_supported(*time));
    let mut violations = Violations::new();
    violations.require(time.is_some(), field, "must be between the years 1 and 9999");
    violations.finish()?;
    Ok(time)
}

/// Returns whether both protobuf and Postgres can represent the time.
fn is_supported(time: OffsetDateTime) -> bool {
    time.year() >= 1
}
