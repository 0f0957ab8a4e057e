//! The bytes of a picture on their way in.

use tokio::sync::OwnedSemaphorePermit;

use crate::error::Rejected;

/// The bytes of a picture as they come in, up to the bound. Has one of the bounded places until it is dropped.
#[derive(Debug)]
pub struct Upload {
    bytes: Vec<u8>,
    max_bytes: usize,
    _place: OwnedSemaphorePermit,
}

impl Upload {
    pub(crate) fn new(max_bytes: usize, place: OwnedSemaphorePermit) -> Self {
        Self { bytes: Vec::new(), max_bytes, _place: place }
    }

    /// Adds what came next.
    ///
    /// # Errors
    /// [`Rejected::TooLarge`] past the bound; the chunk is not taken then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Rejected> {
        let len = self.bytes.len().saturating_add(chunk.len());
        if len > self.max_bytes {
            return Err(Rejected::TooLarge { max_bytes: self.max_bytes });
        }
        if len > self.bytes.capacity() {
            // Doubled as vectors do, and never past the bound.
            let capacity = self.bytes.capacity().saturating_mul(2).clamp(len, self.max_bytes);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// What came so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn an_upload_takes_bytes_up_to_the_bound_and_no_more_memory_than_that() {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut upload = Upload::new(10, place);
        for _ in 0..3 {
            upload.push(b"abc").unwrap();
        }
        assert_eq!(upload.push(b"de"), Err(Rejected::TooLarge { max_bytes: 10 }));
        upload.push(b"d").unwrap();
        assert_eq!(upload.push(b"e"), Err(Rejected::TooLarge { max_bytes: 10 }));
        assert_eq!((upload.bytes(), upload.bytes.capacity()), (&b"abcabcabcd"[..], 10));
    }
}
