//! What happens to the bytes of a connection.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Bytes are forwarded at once in both directions.
    Forward,
    /// Bytes from the client are forwarded after this time, bytes from the upstream at once. A change to a shorter delay, or
    /// to another mode, applies to delayed bytes as well.
    Delay(Duration),
    /// Connections are accepted and nothing is forwarded, not even the end of a connection. What was sent meanwhile is
    /// forwarded when the mode changes.
    BlackHole,
    /// New connections are reset. Open ones are forwarded.
    Reset,
}
