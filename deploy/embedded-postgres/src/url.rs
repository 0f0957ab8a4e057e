//! Connection URLs over a Unix socket.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The port in the socket's name; no TCP port is opened. URLs always contain it, so that `PGPORT` has no effect.
pub(crate) const PORT: u16 = 5432;

/// All characters but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns the URL of a database for a role.
pub(crate) fn over_socket(socket_dir: &Path, role: &str, password: Option<&str>, database: &str) -> String {
    let role = encode(role.as_bytes());
    let password = password.map(|password| format!(":{}", encode(password.as_bytes()))).unwrap_or_default();
    let host = encode(socket_dir.as_os_str().as_bytes());
    let database = encode(database.as_bytes());
    format!("postgres://{role}{password}@{host}:{PORT}/{database}")
}

fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use sqlx::postgres::PgConnectOptions;

    use super::*;

    #[test]
    fn encodes_special_characters() {
        let url = over_socket(Path::new("/a b/ü:@"), "r/1", Some("p@:%?#"), "d b");
        let read = PgConnectOptions::from_str(&url).unwrap();
        assert_eq!(read.get_socket().unwrap(), Path::new("/a b/ü:@"));
        assert_eq!(read.get_username(), "r/1");
        assert_eq!(read.get_database(), Some("d b"));
        assert!(url.starts_with("postgres://r%2F1:p%40%3A%25%3F%23@"), "{url}");
    }
}
