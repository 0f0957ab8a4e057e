//! One direction of a connection.

use std::{collections::VecDeque, io, mem};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
    time::{Instant, sleep_until},
};

use super::mode::Mode;

const CHUNK_BYTES: usize = 64 * 1024;
/// The reader pauses while this many chunks are delayed.
const MAX_DELAYED_CHUNKS: usize = 64;

struct Chunk {
    read_at: Instant,
    /// Empty at the end of the stream.
    bytes: Vec<u8>,
}

/// Forwards bytes and the end of the stream. [`Mode::Delay`] applies if `is_delayed`.
///
/// # Errors
/// Writing fails, or the proxy is dropped.
pub(super) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    is_delayed: bool,
) -> io::Result<()> {
    let mut delayed = VecDeque::<Chunk>::new();
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    let mut has_ended = false;
    loop {
        let current = *mode.borrow_and_update();
        let is_blocked = current == Mode::BlackHole;
        let due = delayed.front().filter(|_| !is_blocked).map(|chunk| match current {
            Mode::Delay(delay) if is_delayed => chunk.read_at + delay,
            _ => chunk.read_at,
        });
        if due.is_some_and(|due| due <= Instant::now())
            && let Some(chunk) = delayed.pop_front()
        {
            if chunk.bytes.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk.bytes).await?;
            continue;
        }
        tokio::select! {
            read = from.read_buf(&mut buffer), if !has_ended && !is_blocked && delayed.len() < MAX_DELAYED_CHUNKS => {
                // After an error, as after the end, the bytes before it are still forwarded.
                has_ended = read.is_err() || buffer.is_empty();
                let bytes = mem::replace(&mut buffer, Vec::with_capacity(CHUNK_BYTES));
                delayed.push_back(Chunk { read_at: Instant::now(), bytes });
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            changed = mode.changed() => changed.map_err(io::Error::other)?,
        }
    }
}
