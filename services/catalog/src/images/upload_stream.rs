//! The stream that pictures come in: the product, then each picture and its bytes, then the end.

use bodega_media::Upload;
use bodega_proto::catalog::v1::{AddProductImagesRequest, add_product_images_request::Part};
use tonic::Streaming;
use tracing::debug;

use crate::error::Error;

/// What a client sends, part by part.
pub(crate) struct Parts {
    stream: Streaming<AddProductImagesRequest>,
    /// Came behind a picture, and has not been looked at.
    ahead: Option<Part>,
    /// How many pictures came whole.
    whole: usize,
}

impl Parts {
    /// Nothing has been read of it yet.
    pub(crate) fn new(stream: Streaming<AddProductImagesRequest>) -> Self {
        Self { stream, ahead: None, whole: 0 }
    }

    /// Which product the pictures are for.
    ///
    /// # Errors
    /// [`Error::UploadIncomplete`] when that is not what comes first.
    pub(crate) async fn product_id(&mut self) -> Result<i32, Error> {
        match self.next().await? {
            Part::ProductId(id) => Ok(id),
            Part::Image(_) | Part::Chunk(_) | Part::End(_) => {
                Err(self.incomplete("comes before its product"))
            }
        }
    }

    /// Whether another picture begins; else that was all.
    ///
    /// # Errors
    /// [`Error::UploadIncomplete`] when something else comes, or something after all.
    pub(crate) async fn begins_picture(&mut self) -> Result<bool, Error> {
        match self.next().await? {
            Part::Image(_) => Ok(true),
            Part::End(_) if self.whole == 0 => Err(self.incomplete("is missing")),
            Part::End(_) => match self.message().await? {
                None => Ok(false),
                Some(_) => Err(self.incomplete("comes after the end")),
            },
            Part::Chunk(_) => Err(self.incomplete("has bytes before it begins")),
            Part::ProductId(_) => Err(self.incomplete("comes before another product")),
        }
    }

    /// Reads the bytes of the picture that has begun into `upload`.
    ///
    /// # Errors
    /// [`Error::Picture`] when there are too many, [`Error::UploadIncomplete`] when they break off.
    pub(crate) async fn collect(&mut self, upload: &mut Upload) -> Result<(), Error> {
        loop {
            match self.next().await? {
                Part::Chunk(chunk) => {
                    upload.push(&chunk).map_err(|refused| Error::Picture { index: self.whole, refused })?
                }
                part @ (Part::Image(_) | Part::End(_) | Part::ProductId(_)) => {
                    self.ahead = Some(part);
                    self.whole += 1;
                    return Ok(());
                }
            }
        }
    }

    async fn next(&mut self) -> Result<Part, Error> {
        if let Some(part) = self.ahead.take() {
            return Ok(part);
        }
        match self.message().await? {
            Some(AddProductImagesRequest { part: Some(part) }) => Ok(part),
            Some(AddProductImagesRequest { part: None }) => {
                Err(self.incomplete("has a part that is nothing"))
            }
            None => Err(self.incomplete("breaks off")),
        }
    }

    async fn message(&mut self) -> Result<Option<AddProductImagesRequest>, Error> {
        self.stream.message().await.map_err(|cause| {
            debug!("an upload broke off: {cause}");
            self.incomplete("breaks off")
        })
    }

    /// Refuses the picture that is coming in, or is to come.
    fn incomplete(&self, how: &'static str) -> Error {
        Error::UploadIncomplete { index: self.whole, how }
    }
}
