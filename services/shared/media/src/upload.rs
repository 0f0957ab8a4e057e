//! The bytes of an image while they are received.

use tokio::sync::OwnedSemaphorePermit;

use crate::error::Rejected;

/// The bytes of an image that were received so far. Holds one of the upload permits until it is dropped.
#[derive(Debug)]
pub struct Upload {
    bytes: Vec<u8>,
    max_bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl Upload {
    pub(crate) fn new(max_bytes: usize, permit: OwnedSemaphorePermit) -> Self {
        Self { bytes: Vec::new(), max_bytes, _permit: permit }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// [`Rejected::TooLarge`] when the limit would be exceeded; the chunk is not appended then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Rejected> {
        let len = self.bytes.len().saturating_add(chunk.len());
        if len > self.max_bytes {
            return Err(Rejected::TooLarge { max_bytes: self.max_bytes });
        }
        if len > self.bytes.capacity() {
            // `Vec` itself would double the capacity past the limit.
            let capacity = self.bytes.capacity().saturating_mul(2).clamp(len, self.max_bytes);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

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
    fn limits_the_bytes_and_the_capacity() {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut upload = Upload::new(10, permit);
        for _ in 0..3 {
            upload.push(b"abc").unwrap();
        }
        assert_eq!(upload.push(b"de"), Err(Rejected::TooLarge { max_bytes: 10 }));
        upload.push(b"d").unwrap();
        assert_eq!(upload.push(b"e"), Err(Rejected::TooLarge { max_bytes: 10 }));
        assert_eq!((upload.bytes(), upload.bytes.capacity()), (&b"abcabcabcd"[..], 10));
    }
}
