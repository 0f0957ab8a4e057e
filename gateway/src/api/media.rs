//! `/media`: uploaded images that are stored in a local directory.

use std::{
    fs, io,
    path::{self, PathBuf},
};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY},
};
use tower_http::services::ServeFile;
use uuid::Uuid;

use crate::{app::App, extract::Path, problem::Problem};

/// An image never changes: every upload gets a new name.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Forbids scripts and all loading, in case a browser interprets an image as a document.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const MAX_FOLDER_LENGTH: usize = 32;

/// Returns an image, or a range of it. Serves no other files of the directory.
pub(crate) async fn show(
    State(app): State<App>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let key = ImageKey::parse(&key).ok_or_else(image_not_found)?;
    let root = app.settings().media_dir().to_owned();
    let file = tokio::task::spawn_blocking(move || key.find_file(&root)).await;
    let file = file.map_err(io::Error::from).flatten().map_err(|error| read_error(&error))?;
    let mut serve = ServeFile::new(file).ignore_multi_range_requests(true);
    let mut response = serve.try_call(request).await.map_err(|error| read_error(&error))?.map(Body::new);
    let range = response.headers_mut().remove(CONTENT_RANGE).map(|range| [(CONTENT_RANGE, range)]);
    match response.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
            let headers = [(CACHE_CONTROL, CACHING), (CONTENT_SECURITY_POLICY, POLICY)];
            Ok((headers, range, response).into_response())
        }
        status @ StatusCode::RANGE_NOT_SATISFIABLE => {
            let problem = Problem::new(status, "range_not_satisfiable", "the range is outside of the image");
            Ok((range, problem).into_response())
        }
        status @ StatusCode::PRECONDITION_FAILED => Err(Problem::new(
            status,
            "precondition_failed",
            "the image has another ETag or modification time",
        )),
        status => {
            tracing::error!("unexpected status of the file service for an image: {status}");
            Err(Problem::internal())
        }
    }
}

fn image_not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "picture_not_found", "the image does not exist")
}

fn read_error(error: &io::Error) -> Problem {
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        return image_not_found();
    }
    tracing::error!("cannot read an image: {error}");
    Problem::internal()
}

/// The key of a stored image: `<folder>/<uuid>.jpg`, of its thumbnail `<folder>/<uuid>-400.jpg`; `png` likewise.
///
/// The format is that of `bodega_media`, which the gateway must not depend on.
#[derive(Debug, PartialEq, Eq)]
struct ImageKey {
    folder: String,
    file: String,
}

impl ImageKey {
    /// Accepts only the canonical spelling, which has no characters that are special to a file system.
    fn parse(text: &str) -> Option<Self> {
        let (folder, file) = text.split_once('/')?;
        let is_folder = (1..=MAX_FOLDER_LENGTH).contains(&folder.len())
            && folder.bytes().all(|byte| byte.is_ascii_lowercase());
        let name = file.strip_suffix(".jpg").or_else(|| file.strip_suffix(".png"))?;
        let name = name.strip_suffix("-400").unwrap_or(name);
        let is_id = name.parse::<Uuid>().is_ok_and(|id| id.to_string() == name);
        (is_folder && is_id).then(|| Self { folder: folder.to_owned(), file: file.to_owned() })
    }

    /// The path of the file below `root`.
    ///
    /// # Errors
    /// `NotFound` when there is no such file. Symbolic links are not followed.
    fn find_file(&self, root: &path::Path) -> io::Result<PathBuf> {
        let folder = root.join(&self.folder);
        let file = folder.join(&self.file);
        if fs::symlink_metadata(folder)?.is_dir() && fs::symlink_metadata(&file)?.is_file() {
            Ok(file)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f";

    #[test]
    fn parses_keys_of_images_and_thumbnails() {
        for (folder, file) in [
            ("products", format!("{ID}.jpg")),
            ("avatars", format!("{ID}.png")),
            ("products", format!("{ID}-400.jpg")),
            ("a", format!("{ID}-400.png")),
        ] {
            let key = ImageKey { folder: folder.to_owned(), file: file.clone() };
            assert_eq!(ImageKey::parse(&format!("{folder}/{file}")), Some(key));
        }
    }

    #[test]
    fn rejects_all_other_keys() {
        for text in [
            String::new(),
            format!("{ID}.jpg"),
            format!("/{ID}.jpg"),
            format!("../{ID}.jpg"),
            format!("products/../{ID}.jpg"),
            format!("products//{ID}.jpg"),
            format!("Products/{ID}.jpg"),
            format!("products1/{ID}.jpg"),
            format!("{}/{ID}.jpg", "a".repeat(33)),
            format!("products/{ID}"),
            format!("products/{ID}.svg"),
            format!("products/{ID}.JPG"),
            format!("products/{ID}.jpg#1"),
            format!("products/{ID}.jpg.png"),
            format!("products/{ID}.jpg/"),
            format!("products/{ID}-200.jpg"),
            format!("products/{ID}-400-400.jpg"),
            format!("products/{}.jpg", ID.to_uppercase()),
            format!("products/{}.jpg", ID.replace('-', "")),
            format!("products/{{{ID}}}.jpg"),
            format!("products/{ID}\0.jpg"),
        ] {
            assert_eq!(ImageKey::parse(&text), None, "{text}");
        }
    }
}
