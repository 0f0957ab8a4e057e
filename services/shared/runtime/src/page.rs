//! Pages of a list: limits, and opaque cursors that stay true while rows are added.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Code, Status};

use crate::status;

/// The most rows a page may have.
pub const MAX_LIMIT: i32 = 100;

/// The number of rows to answer with: `asked` when it is 1 to [`MAX_LIMIT`], `default` when it is 0.
///
/// # Errors
/// `OUT_OF_RANGE` `invalid_limit` for anything else.
pub fn limit(asked: i32, default: i32) -> Result<i64, Status> {
    match asked {
        0 => Ok(i64::from(default)),
        1..=MAX_LIMIT => Ok(i64::from(asked)),
        _ => Err(status::rejected_field(
            Code::OutOfRange,
            "invalid_limit",
            "limit",
            format!("must be 1 to {MAX_LIMIT}"),
        )),
    }
}

/// The cursor of the page that follows `key`, the sort key of the last row shown.
pub fn encode<K: Serialize>(key: &K) -> String {
    // A sort key is a few scalars: there is nothing in it that JSON could refuse.
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// The sort key in `cursor`; `None` where the list starts.
///
/// # Errors
/// `OUT_OF_RANGE` `invalid_cursor` for what [`encode`] did not make of a key of this type.
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

/// The refusal of a cursor that is not of this list.
pub fn invalid_cursor() -> Status {
    status::rejected_field(
        Code::OutOfRange,
        "invalid_cursor",
        "cursor",
        "is not one that this list gave out".to_owned(),
    )
}

/// Cuts `rows`, of which one more than `limit` was asked for, to a page, and says where the next one starts.
pub fn cut<R, K: Serialize>(rows: &mut Vec<R>, limit: i64, key: impl Fn(&R) -> K) -> String {
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
    fn a_cursor_leads_back_to_its_key() {
        let key = ("price".to_owned(), 1999_i64, 7_i32);
        assert_eq!(decode::<(String, i64, i32)>(&encode(&key)).unwrap(), Some(key));
    }

    #[test]
    fn a_cursor_of_another_shape_is_refused() {
        let status = decode::<(String, i64)>(&encode(&7)).unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange);
        assert!(decode::<i32>("not a cursor").is_err());
    }

    #[test]
    fn only_a_full_page_has_a_next_one() {
        let mut rows = vec![1, 2, 3];
        assert_eq!(cut(&mut rows, 3, |row| *row), "");
        assert_eq!(decode(&cut(&mut rows, 2, |row| *row)).unwrap(), Some(2));
        assert_eq!(rows, [1, 2]);
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(limit(0, 20).unwrap(), 20);
        assert_eq!(limit(100, 20).unwrap(), 100);
        assert!(limit(101, 20).is_err() && limit(-1, 20).is_err());
    }
}
