//! The bytes of an image while they are received.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Rejected;

/// Bytes for which an upload needs a permit.
const BLOCK: usize = 4096;

/// The permits for this many bytes.
pub(crate) fn blocks(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK)
}

/// The bytes of an image that were received so far. Holds permits for their memory until it is dropped.
#[derive(Debug)]
pub struct Upload {
    bytes: Vec<u8>,
    max_bytes: usize,
    memory: Arc<Semaphore>,
    reserved: Option<OwnedSemaphorePermit>,
}

impl Upload {
    pub(crate) fn new(max_bytes: usize, memory: Arc<Semaphore>) -> Self {
        Self { bytes: Vec::new(), max_bytes, memory, reserved: None }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// [`Rejected::TooLarge`] when the limit would be exceeded, [`Rejected::Busy`] when other uploads occupy the memory; the
    /// chunk is not appended then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Rejected> {
        let len = self.bytes.len().saturating_add(chunk.len());
        if len > self.max_bytes {
            return Err(Rejected::TooLarge { max_bytes: self.max_bytes });
        }
        if len > self.bytes.capacity() {
            // `Vec` itself would double the capacity past the limit.
            let capacity = self.bytes.capacity().saturating_mul(2).clamp(len, self.max_bytes);
            self.reserve(capacity)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Takes the permits that `capacity` bytes need and the upload does not have yet.
    fn reserve(&mut self, capacity: usize) -> Result<(), Rejected> {
        let has = self.reserved.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let needed = u32::try_from(blocks(capacity).saturating_sub(has)).unwrap_or(u32::MAX);
        let more = self.memory.clone().try_acquire_many_owned(needed).map_err(|_| Rejected::Busy)?;
        match &mut self.reserved {
            Some(reserved) => reserved.merge(more),
            None => self.reserved = Some(more),
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_the_bytes_and_the_capacity() {
        let mut upload = Upload::new(10, Arc::new(Semaphore::new(1)));
        for _ in 0..3 {
            upload.push(b"abc").unwrap();
        }
        assert_eq!(upload.push(b"de"), Err(Rejected::TooLarge { max_bytes: 10 }));
        upload.push(b"d").unwrap();
        assert_eq!(upload.push(b"e"), Err(Rejected::TooLarge { max_bytes: 10 }));
        assert_eq!((upload.bytes(), upload.bytes.capacity()), (&b"abcabcabcd"[..], 10));
    }
}
