//! Files of a multipart form, streamed: no file is ever in memory as a whole.

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
};
use http::StatusCode;

use super::{
    chunked_body::{Allowance, CHUNK_SIZE, ChunkedBody},
    raw::media_type,
    read_time::ReadTime,
};
use crate::{app::App, problem::Problem};

/// Maximum number of bytes before the first part's data, and between the data of two parts.
const HEAD_LIMIT: usize = 64 * 1024;

/// The files of a form, in order.
pub(crate) struct Files {
    /// `None` for an empty body, which some clients send for a form without parts.
    multipart: Option<Multipart>,
    allowance: Allowance,
    read_time: ReadTime,
}

impl FromRequest<App> for Files {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if media_type(request.headers()) != "multipart/form-data" {
            return Err(Problem::unsupported_media_type("multipart/form-data"));
        }
        let content_length = request.body().size_hint().lower();
        if usize::try_from(content_length).map_or(true, |bytes| bytes > app.settings().upload_limit) {
            return Err(Problem::too_large());
        }
        let is_empty = request.body().is_end_stream();
        let allowance = Allowance::unlimited();
        let request = request.map(|body| Body::from_stream(ChunkedBody::new(body, allowance.clone())));
        let multipart = Multipart::from_request(request, app)
            .await
            .map_err(|_| Problem::malformed("content-type", "must contain the boundary of the form"))?;
        let multipart = (!is_empty).then_some(multipart);
        Ok(Self { multipart, allowance, read_time: ReadTime::new(app.settings().upload_stall_timeout()) })
    }
}

impl Files {
    /// The next file, in a field of one of these names; `None` at the end of the form. The previous file must have been
    /// read to its end.
    ///
    /// # Errors
    /// When the field has another name or is not a file, and when the body is too slow or malformed.
    pub(crate) async fn next(&mut self, names: &[&str]) -> Result<Option<File<'_>>, Problem> {
        let Some(multipart) = &mut self.multipart else { return Ok(None) };
        self.allowance.set(HEAD_LIMIT);
        let Some(field) = in_time(&mut self.read_time, multipart.next_field()).await? else {
            return Ok(None);
        };
        self.allowance.set(usize::MAX);
        let name = field.name().unwrap_or_default();
        if !names.contains(&name) {
            return Err(match name {
                "" => Problem::malformed("body", "has a part without a name"),
                _ => Problem::invalid(name, "is not a field of this request"),
            });
        }
        // A browser sends an empty file name when no file was chosen.
        if field.file_name().is_none_or(str::is_empty) {
            return Err(Problem::invalid(name, "must be a file"));
        }
        Ok(Some(File { field, rest: Bytes::new(), read_time: &mut self.read_time }))
    }
}

/// A file of a form. Its name and content type are ignored.
pub(crate) struct File<'a> {
    field: Field<'a>,
    rest: Bytes,
    read_time: &'a mut ReadTime,
}

impl File<'_> {
    /// The next chunk, at most [`CHUNK_SIZE`] bytes; `None` at the end of the file.
    ///
    /// # Errors
    /// When the body is too slow or incomplete.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        while self.rest.is_empty() {
            let Some(bytes) = in_time(self.read_time, self.field.chunk()).await? else { return Ok(None) };
            self.read_time.restore(bytes.len());
            self.rest = bytes;
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(CHUNK_SIZE))))
    }
}

/// Limits the time of a read: of a chunk, or of the whole head of the next part.
async fn in_time<T>(
    read_time: &mut ReadTime,
    read: impl Future<Output = Result<T, MultipartError>>,
) -> Result<T, Problem> {
    match read_time.limit(read).await {
        Some(read) => read.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
            _ => Problem::malformed("body", "is not a complete multipart form"),
        }),
        None => Err(Problem::too_slow("the request body arrived too slowly")),
    }
}
