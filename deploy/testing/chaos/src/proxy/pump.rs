//! One direction of a connection.

use std::{collections::VecDeque, io, mem};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
    time::{Instant, sleep_until},
};

use super::Mode;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// How many chunks are held back; whoever sends more has to wait.
const HELD_CHUNKS: usize = 64;

/// What was read, and when. Nothing at all is the end.
struct Chunk {
    read_at: Instant,
    bytes: Vec<u8>,
}

/// Carries bytes until the end, which it hands on. `is_delayed` is whether [`Mode::Delay`] is meant for this direction.
///
/// # Errors
/// When nothing can be written any more, and when the proxy is gone.
pub(super) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    is_delayed: bool,
) -> io::Result<()> {
    let mut held = VecDeque::<Chunk>::new();
    let mut buffer = Vec::with_capacity(CHUNK);
    let mut has_ended = false;
    loop {
        let now_is = *mode.borrow_and_update();
        let is_silent = now_is == Mode::BlackHole;
        let due = held.front().filter(|_| !is_silent).map(|chunk| match now_is {
            Mode::Delay(delay) if is_delayed => chunk.read_at + delay,
            _ => chunk.read_at,
        });
        if due.is_some_and(|due| due <= Instant::now())
            && let Some(chunk) = held.pop_front()
        {
            if chunk.bytes.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk.bytes).await?;
            continue;
        }
        tokio::select! {
            read = from.read_buf(&mut buffer), if !has_ended && !is_silent && held.len() < HELD_CHUNKS => {
                // A connection that broke has ended: what came before it is still to arrive.
                has_ended = read.is_err() || buffer.is_empty();
                let bytes = mem::replace(&mut buffer, Vec::with_capacity(CHUNK));
                held.push_back(Chunk { read_at: Instant::now(), bytes });
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            changed = mode.changed() => changed.map_err(io::Error::other)?,
        }
    }
}
