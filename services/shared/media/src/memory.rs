//! The memory limit for decoding, and the threads that decode.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use tracing::warn;

use crate::{error::Rejected, probe::MAX_BYTES_PER_PIXEL};

const RESERVE_WAIT: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;
/// The memory for an image of the maximum size, divided by this number, is added for images that are encoded and not
/// stored yet, so that an image of the maximum size can be decoded while clients hold others.
const ENCODED_DIVISOR: u32 = 3;
/// An image reserves at least the maximum divided by this number, so that the number of small images decoded at the
/// same time is limited too.
const MIN_RESERVATION_DIVISOR: u32 = 4;

/// The memory for images that are being decoded, or are encoded and not stored yet. One permit is one MiB.
#[derive(Debug)]
pub(crate) struct DecodeMemory {
    permits: Arc<Semaphore>,
    /// MiB for all images.
    max: u32,
    /// MiB for an image of the maximum size.
    max_image: u32,
    wait: Duration,
    rejections: Counter,
}

impl DecodeMemory {
    /// Creates a limit that fits one image of `max_side` x `max_side` pixels at a time, plus encoded images.
    pub(crate) fn for_images_up_to(max_side: u32) -> Self {
        let max_image = mebibytes(u64::from(max_side).pow(2) * MAX_BYTES_PER_PIXEL);
        let max = max_image.saturating_add(max_image / ENCODED_DIVISOR);
        let rejections = counter!("image_memory_rejections_total");
        Self {
            permits: Arc::new(Semaphore::new(max as usize)),
            max,
            max_image,
            wait: RESERVE_WAIT,
            rejections,
        }
    }

    /// Shows the memory in the metrics, under the name of what it is for.
    pub(crate) fn show(&self, pool: &'static str) {
        let bytes = |mebibytes: u32| f64::from(mebibytes) * 1_048_576.0;
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(self.max);
        gauge!("image_memory_max_bytes", "pool" => pool).set(bytes(self.max));
        gauge!("image_memory_reserved_bytes", "pool" => pool).set(bytes(self.max.saturating_sub(free)));
    }

    /// Reserves the memory to decode an image.
    ///
    /// # Errors
    /// [`Rejected::Busy`] when the memory does not become free within 30 seconds.
    pub(crate) async fn reserve(&self, bytes: u64) -> Result<MemoryReservation, Rejected> {
        let min = (self.max_image / MIN_RESERVATION_DIVISOR).max(1);
        let size = mebibytes(bytes).clamp(min, self.max_image);
        match timeout(self.wait, Arc::clone(&self.permits).acquire_many_owned(size)).await {
            Ok(Ok(permit)) => Ok(MemoryReservation(permit)),
            _ => {
                self.rejections.increment(1);
                Err(Rejected::Busy)
            }
        }
    }
}

/// Adds the help texts of the metrics.
pub(crate) fn describe_metrics() {
    describe_gauge!(
        "image_memory_reserved_bytes",
        Unit::Bytes,
        "Memory that is reserved for images that are being decoded, or are encoded and not stored yet."
    );
    describe_gauge!("image_memory_max_bytes", Unit::Bytes, "Memory that images may use.");
    describe_counter!(
        "image_memory_rejections_total",
        "Uploads that were rejected because no memory became free in time."
    );
}

/// Reserved memory; dropping it releases the memory.
#[derive(Debug)]
pub(crate) struct MemoryReservation(OwnedSemaphorePermit);

impl MemoryReservation {
    /// Releases all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let needed = mebibytes(bytes as u64).max(1) as usize;
        drop(self.0.split(self.0.num_permits().saturating_sub(needed)));
    }
}

fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX)
}

/// Runs `work` on untrusted bytes on a blocking thread.
///
/// # Errors
/// Those of `work`; [`Rejected::Invalid`] when a decoder panics.
pub(crate) async fn run_blocking<T, F>(work: F) -> Result<T, Rejected>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Rejected> + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => {
            warn!("image decoder panicked, rejecting the image");
            Err(Rejected::Invalid("cannot be decoded".to_owned()))
        }
        // The runtime is shutting down.
        Err(_) => Err(Rejected::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: u64 = 8192 * 8192 * MAX_BYTES_PER_PIXEL;

    fn memory() -> DecodeMemory {
        DecodeMemory { wait: Duration::from_millis(50), ..DecodeMemory::for_images_up_to(8192) }
    }

    #[tokio::test]
    async fn decodes_one_image_of_the_maximum_size_at_a_time() {
        let memory = memory();
        let first = memory.reserve(MAX_BYTES).await.unwrap();
        assert_eq!(memory.reserve(MAX_BYTES).await.unwrap_err(), Rejected::Busy);
        drop(first);
        memory.reserve(MAX_BYTES).await.unwrap();
    }

    #[tokio::test]
    async fn limits_how_many_small_images_are_decoded_at_a_time() {
        let memory = memory();
        let mut reservations = Vec::new();
        while let Ok(reservation) = memory.reserve(1).await {
            reservations.push(reservation);
        }
        assert_eq!(reservations.len(), 5);
    }

    /// Avatars of 2048 pixels a side.
    #[test]
    fn small_images_have_little_memory() {
        let memory = DecodeMemory::for_images_up_to(2048);
        assert_eq!((memory.max_image, memory.max), (48, 64));
    }

    #[tokio::test]
    async fn an_encoded_image_leaves_memory_for_one_of_the_maximum_size() {
        let memory = memory();
        let mut encoded = memory.reserve(MAX_BYTES).await.unwrap();
        encoded.shrink_to(200 << 20);
        let before = memory.permits.available_permits();
        memory.reserve(MAX_BYTES).await.unwrap();
        drop(encoded);
        assert_eq!(memory.permits.available_permits(), before + 200);
    }

    #[tokio::test]
    async fn rejects_an_image_whose_decoder_panics() {
        let rejected = run_blocking::<(), _>(|| panic!("index out of bounds")).await.unwrap_err();
        assert_eq!(rejected, Rejected::Invalid("cannot be decoded".to_owned()));
    }
}
