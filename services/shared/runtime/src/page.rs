//! Pages of a list: limits, and opaque cursors that stay valid while rows are added.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Code, Status};

use crate::status;

/// Maximum number of rows on a page.
pub const MAX_LIMIT: i32 = 100;

/// Returns the number of rows on the page: `requested` when it is 1 to [`MAX_LIMIT`], `default` when it is 0.
///
/// # Errors
/// `OUT_OF_RANGE` `invalid_limit` for anything else.
pub fn limit(requested: i32, default: i32) -> Result<i64, Status> {
    match requested {
        0 => Ok(i64::from(default)),
        1..=MAX_LIMIT => Ok(i64::from(requested)),
        _ => Err(status::rejected_field(
            Code::OutOfRange,
            "invalid_limit",
            "limit",
            format!("must be between 1 and {MAX_LIMIT}"),
        )),
    }
}

/// Returns the cursor of the page that follows `key`, the sort key of the last row.
pub fn encode<K: Serialize>(key: &K) -> String {
    // A sort key is a few scalars, which always serialize.
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// Returns the sort key in `cursor`; `None` for the empty cursor of the first page.
///
/// # Errors
/// `OUT_OF_RANGE` `invalid_cursor` when [`encode`] did not create it from a key of this type.
pub fn decode<K: DeserializeOwned>(cursor: &str) -> Result<Option<K>, Status> {
    if cursor.is_empty() {
        return Ok(None);
    }
    BASE64_URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .map(Some)
        .ok_or_else(invalid_cursor)
}

/// Returns the rejection of a cursor that does not belong to this list.
pub fn invalid_cursor() -> Status {
    status::rejected_field(
        Code::OutOfRange,
        "invalid_cursor",
        "cursor",
        "is not a cursor of this list".to_owned(),
    )
}

/// Truncates `rows`, of which the query returned up to `limit + 1`, to a page. Returns the cursor of the next page, or an
/// empty one on the last page.
pub fn truncate<R, K: Serialize>(rows: &mut Vec<R>, limit: i64, key: impl Fn(&R) -> K) -> String {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return String::new();
    }
    rows.truncate(limit);
    rows.last().map(|row| encode(&key(row))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_key_it_encoded() {
        let key = ("price".to_owned(), 1999_i64, 7_i32);
        assert_eq!(decode::<(String, i64, i32)>(&encode(&key)).unwrap(), Some(key));
    }

    #[test]
    fn rejects_a_cursor_of_another_list() {
        let status = decode::<(String, i64)>(&encode(&7)).unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange);
        assert!(decode::<i32>("not a cursor").is_err());
    }

    #[test]
    fn returns_a_cursor_only_when_there_are_more_rows() {
        let mut rows = vec![1, 2, 3];
        assert_eq!(truncate(&mut rows, 3, |row| *row), "");
        assert_eq!(decode(&truncate(&mut rows, 2, |row| *row)).unwrap(), Some(2));
        assert_eq!(rows, [1, 2]);
    }

    #[test]
    fn rejects_a_limit_out_of_range() {
        assert_eq!(limit(0, 20).unwrap(), 20);
        assert_eq!(limit(100, 20).unwrap(), 100);
        assert!(limit(101, 20).is_err() && limit(-1, 20).is_err());
    }
}
