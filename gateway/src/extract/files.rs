//! Files of a multipart form, read as they come in: nobody ever holds a whole one.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
};
use http::StatusCode;
use tokio::time::timeout;

use super::{
    raw::media_type,
    sips::{Allowance, SIP, Sips},
};
use crate::{app::App, problem::Problem};

/// Bytes from the end of one part's data to the begin of the next one's, and before the first.
const HEAD_LIMIT: usize = 64 * 1024;

/// The files of a form, one after the other.
pub(crate) struct Files {
    /// `None` of a body without a byte: that is how some clients send a form without parts.
    multipart: Option<Multipart>,
    allowance: Allowance,
    patience: Duration,
}

impl FromRequest<App> for Files {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if media_type(request.headers()) != "multipart/form-data" {
            return Err(Problem::unsupported_media_type("a form with files, as multipart/form-data"));
        }
        let announced = request.body().size_hint().lower();
        if usize::try_from(announced).map_or(true, |bytes| bytes > app.settings().upload_limit) {
            return Err(Problem::too_large());
        }
        let is_empty = request.body().is_end_stream();
        let allowance = Allowance::unlimited();
        let request = request.map(|body| Body::from_stream(Sips::new(body, allowance.clone())));
        let multipart = Multipart::from_request(request, app)
            .await
            .map_err(|_| Problem::malformed("content-type", "must say which boundary parts the form"))?;
        let multipart = (!is_empty).then_some(multipart);
        Ok(Self { multipart, allowance, patience: app.settings().upload_stall_timeout() })
    }
}

impl Files {
    /// The next file, in a field of one of these names; `None` behind the last, once the form has come to its end.
    /// The one before must have been read to its end, and be gone.
    ///
    /// # Errors
    /// A problem that names the field when it is another, or no file; one about the body when it does not come on, or is
    /// not what it is said to be.
    pub(crate) async fn next(&mut self, names: &[&str]) -> Result<Option<File<'_>>, Problem> {
        let Some(multipart) = &mut self.multipart else { return Ok(None) };
        self.allowance.set(HEAD_LIMIT);
        let Some(field) = in_time(self.patience, multipart.next_field()).await? else { return Ok(None) };
        self.allowance.set(usize::MAX);
        let name = field.name().unwrap_or_default();
        if !names.contains(&name) {
            return Err(match name {
                "" => Problem::malformed("body", "has a part without a name"),
                _ => Problem::invalid(name, "is not a field of this request"),
            });
        }
        // A browser sends an empty name where no file was chosen.
        if field.file_name().is_none_or(str::is_empty) {
            return Err(Problem::invalid(name, "must be a file"));
        }
        Ok(Some(File { field, rest: Bytes::new(), patience: self.patience }))
    }
}

/// A file on its way in. What it is said to be called, and to be, is of no interest.
pub(crate) struct File<'a> {
    field: Field<'a>,
    rest: Bytes,
    patience: Duration,
}

impl File<'_> {
    /// More of it, at most [`SIP`] bytes; `None` behind the last.
    ///
    /// # Errors
    /// A problem when the body does not come on, or breaks off.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        while self.rest.is_empty() {
            match in_time(self.patience, self.field.chunk()).await? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(None),
            }
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(SIP))))
    }
}

/// What is read next of a body, if it is there within `patience`: more of a file, or the whole head of the next.
async fn in_time<T>(
    patience: Duration,
    read: impl Future<Output = Result<T, MultipartError>>,
) -> Result<T, Problem> {
    match timeout(patience, read).await {
        Ok(read) => read.map_err(|cause| match cause.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
            _ => Problem::malformed("body", "is broken off, or not the form that it is said to be"),
        }),
        Err(_) => Err(Problem::too_slow("the body does not come on")),
    }
}
