//! The stream of an upload: the product id, then for each image its start and chunks, then the end.

use bodega_media::Upload;
use bodega_proto::catalog::v1::{AddProductImagesRequest, add_product_images_request::Part};
use tonic::Streaming;
use tracing::debug;

use crate::error::Error;

pub(crate) struct UploadStream {
    messages: Streaming<AddProductImagesRequest>,
    /// The part after the previous image, which is not processed yet.
    peeked: Option<Part>,
    /// Number of images that were received completely.
    received: usize,
}

impl UploadStream {
    pub(crate) fn new(messages: Streaming<AddProductImagesRequest>) -> Self {
        Self { messages, peeked: None, received: 0 }
    }

    /// Reads the first part.
    ///
    /// # Errors
    /// [`Error::UploadIncomplete`] if it is not the product id.
    pub(crate) async fn product_id(&mut self) -> Result<i32, Error> {
        match self.next_part().await? {
            Part::ProductId(id) => Ok(id),
            Part::Image(_) | Part::Chunk(_) | Part::End(_) => {
                Err(self.incomplete("comes before the product id"))
            }
        }
    }

    /// Reads the start of the next image. Returns `false` at the end of the upload.
    ///
    /// # Errors
    /// [`Error::UploadIncomplete`] for any other part, and for parts after the end.
    pub(crate) async fn next_image(&mut self) -> Result<bool, Error> {
        match self.next_part().await? {
            Part::Image(_) => Ok(true),
            Part::End(_) if self.received == 0 => Err(self.incomplete("is missing")),
            Part::End(_) => match self.next_message().await? {
                None => Ok(false),
                Some(_) => Err(self.incomplete("comes after the end of the upload")),
            },
            Part::Chunk(_) => Err(self.incomplete("has bytes before its start")),
            Part::ProductId(_) => Err(self.incomplete("comes before another product id")),
        }
    }

    /// Reads the bytes of the image that has started.
    ///
    /// # Errors
    /// [`Error::ImageRejected`] if it is too large, [`Error::UploadIncomplete`] if the stream ends early.
    pub(crate) async fn read_image(&mut self, upload: &mut Upload) -> Result<(), Error> {
        loop {
            match self.next_part().await? {
                Part::Chunk(chunk) => upload
                    .push(&chunk)
                    .map_err(|reason| Error::ImageRejected { index: self.received, reason })?,
                part @ (Part::Image(_) | Part::End(_) | Part::ProductId(_)) => {
                    self.peeked = Some(part);
                    self.received += 1;
                    return Ok(());
                }
            }
        }
    }

    async fn next_part(&mut self) -> Result<Part, Error> {
        if let Some(part) = self.peeked.take() {
            return Ok(part);
        }
        match self.next_message().await? {
            Some(AddProductImagesRequest { part: Some(part) }) => Ok(part),
            Some(AddProductImagesRequest { part: None }) => Err(self.incomplete("has an empty part")),
            None => Err(self.incomplete("is incomplete: the stream ended early")),
        }
    }

    async fn next_message(&mut self) -> Result<Option<AddProductImagesRequest>, Error> {
        self.messages.message().await.map_err(|error| {
            debug!("image upload aborted, rejecting it: {error}");
            self.incomplete("is incomplete: the stream ended early")
        })
    }

    fn incomplete(&self, problem: &'static str) -> Error {
        Error::UploadIncomplete { index: self.received, problem }
    }
}
