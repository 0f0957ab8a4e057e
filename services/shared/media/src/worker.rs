//! Where pictures are worked on: beside the tasks that serve, in bounded memory.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use tracing::warn;

use crate::error::Rejected;

/// How long a picture waits for memory.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a pixel takes at worst: a progressive JPEG with its coefficients, a picture with 16 bits a channel and its copy
/// with 8, a frame of an animation with its canvas. Most take a third of it.
const BYTES_PER_PIXEL: u64 = 12;
/// Memory is counted in these.
const MIB: u64 = 1 << 20;
/// Room for pictures that are encoded and not yet stored, in MiB: so that a picture of the largest size still finds its
/// room while its client holds on to others.
const ENCODED: u32 = 256;
/// A picture takes at least this part of what the largest takes, so that small ones do not outnumber the processors.
const LEAST: u32 = 4;

/// The memory for pictures that are decoded, or encoded and not yet stored.
#[derive(Debug)]
pub(crate) struct Memory {
    free: Arc<Semaphore>,
    /// What a picture of the largest size takes, in MiB.
    largest: u32,
    patience: Duration,
}

impl Memory {
    /// As much as the largest picture needs, and some for what is encoded: no picture is refused for lack of it, a
    /// picture of the largest size is the only one that is decoded at its time.
    pub(crate) fn for_pictures_up_to(max_side: u32) -> Self {
        let largest = mebibytes(u64::from(max_side).pow(2) * BYTES_PER_PIXEL);
        let free = Arc::new(Semaphore::new(largest.saturating_add(ENCODED) as usize));
        Self { free, largest, patience: PATIENCE }
    }

    /// Waits for room for a picture of so many pixels.
    ///
    /// # Errors
    /// [`Rejected::Busy`] when there is none in half a minute.
    pub(crate) async fn reserve(&self, pixels: u64) -> Result<Reserved, Rejected> {
        let least = (self.largest / LEAST).max(1);
        let room = mebibytes(pixels * BYTES_PER_PIXEL).clamp(least, self.largest);
        match timeout(self.patience, Arc::clone(&self.free).acquire_many_owned(room)).await {
            Ok(Ok(permit)) => Ok(Reserved(permit)),
            _ => Err(Rejected::Busy),
        }
    }
}

/// Memory that nobody else takes, until this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved(OwnedSemaphorePermit);

impl Reserved {
    /// Gives back what is more than `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let needed = mebibytes(bytes as u64).max(1) as usize;
        drop(self.0.split(self.0.num_permits().saturating_sub(needed)));
    }
}

fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX)
}

/// Does `work` on bytes that a client made up: aside, and prepared for a decoder that panics.
///
/// # Errors
/// Those of `work`; [`Rejected::Invalid`] when it panics.
pub(crate) async fn run<T, F>(work: F) -> Result<T, Rejected>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Rejected> + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(cause) if cause.is_panic() => {
            warn!("A picture cannot be decoded: its decoder panicked");
            Err(Rejected::Invalid("cannot be decoded".to_owned()))
        }
        // The process is about to stop.
        Err(_) => Err(Rejected::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: u64 = 8192 * 8192;

    fn memory() -> Memory {
        Memory { patience: Duration::from_millis(50), ..Memory::for_pictures_up_to(8192) }
    }

    #[tokio::test]
    async fn pictures_of_the_largest_size_are_worked_on_one_by_one() {
        let memory = memory();
        let first = memory.reserve(LARGEST).await.unwrap();
        assert_eq!(memory.reserve(LARGEST).await.unwrap_err(), Rejected::Busy);
        drop(first);
        memory.reserve(LARGEST).await.unwrap();
    }

    #[tokio::test]
    async fn few_pictures_are_worked_on_at_once_however_small() {
        let memory = memory();
        let mut held = Vec::new();
        while let Ok(reserved) = memory.reserve(1).await {
            held.push(reserved);
        }
        assert_eq!(held.len(), 5);
    }

    #[tokio::test]
    async fn an_encoded_picture_keeps_room_for_what_it_is_and_lets_the_largest_pass() {
        let memory = memory();
        let mut encoded = memory.reserve(LARGEST).await.unwrap();
        encoded.shrink_to(200 << 20);
        let before = memory.free.available_permits();
        memory.reserve(LARGEST).await.unwrap();
        drop(encoded);
        assert_eq!(memory.free.available_permits(), before + 200);
    }

    #[tokio::test]
    async fn a_panic_is_the_fault_of_the_picture() {
        let refused = run::<(), _>(|| panic!("an index is out of bounds")).await.unwrap_err();
        assert_eq!(refused, Rejected::Invalid("cannot be decoded".to_owned()));
    }
}
