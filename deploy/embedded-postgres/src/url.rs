//! Connection URLs over a Unix socket.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Only part of the socket's name: nothing listens on it. Always spelled out, so that a `PGPORT`
/// in the environment does not change it.
pub(crate) const PORT: u16 = 5432;

pub(crate) fn over_socket(socket_dir: &Path, role: &str, password: Option<&str>, database: &str) -> String {
    let role = encoded(role.as_bytes());
    let password = password.map(|p| format!(":{}", encoded(p.as_bytes()))).unwrap_or_default();
    let host = encoded(socket_dir.as_os_str().as_bytes());
    let database = encoded(database.as_bytes());
    format!("postgres://{role}{password}@{host}:{PORT}/{database}")
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, &byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").expect("a String takes every write"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use sqlx::postgres::PgConnectOptions;

    use super::*;

    #[test]
    fn odd_names_and_paths_survive_the_url() {
        let url = over_socket(Path::new("/a b/ü:@"), "r/1", Some("p@:%?#"), "d b");
        let read = PgConnectOptions::from_str(&url).unwrap();
        assert_eq!(read.get_socket().unwrap(), Path::new("/a b/ü:@"));
        assert_eq!(read.get_username(), "r/1");
        assert_eq!(read.get_database(), Some("d b"));
        assert!(url.starts_with("postgres://r%2F1:p%40%3A%25%3F%23@"), "{url}");
    }
}
