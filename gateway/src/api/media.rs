//! The pictures themselves, where they are in a directory of this machine.

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

/// A picture never changes: another one has another name.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Whatever a browser should take it for, it may do nothing.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
/// Letters that the name of a room may have.
const MAX_ROOM: usize = 32;

/// Shows a picture, or a part of it. Nothing but pictures is to be had here, and each by its own name only.
pub(crate) async fn show(
    State(app): State<App>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let key = Key::parse(&key).ok_or_else(no_such_picture)?;
    let root = app.settings().media_dir().to_owned();
    let found = tokio::task::spawn_blocking(move || key.find(&root)).await;
    let file = found.map_err(io::Error::from).flatten().map_err(|cause| unreadable(&cause))?;
    let mut serve = ServeFile::new(file).ignore_multi_range_requests(true);
    let mut response = serve.try_call(request).await.map_err(|cause| unreadable(&cause))?.map(Body::new);
    let range = response.headers_mut().remove(CONTENT_RANGE).map(|range| [(CONTENT_RANGE, range)]);
    match response.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
            let headers = [(CACHE_CONTROL, CACHING), (CONTENT_SECURITY_POLICY, POLICY)];
            Ok((headers, range, response).into_response())
        }
        status @ StatusCode::RANGE_NOT_SATISFIABLE => {
            let problem = Problem::new(status, "range_not_satisfiable", "the picture has no such part");
            Ok((range, problem).into_response())
        }
        status @ StatusCode::PRECONDITION_FAILED => {
            Err(Problem::new(status, "precondition_failed", "the picture is another"))
        }
        status => {
            tracing::error!("a picture was answered with {status}");
            Err(Problem::internal())
        }
    }
}

fn no_such_picture() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "picture_not_found", "there is no such picture")
}

fn unreadable(cause: &io::Error) -> Problem {
    if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        return no_such_picture();
    }
    tracing::error!("a picture cannot be read: {cause}");
    Problem::internal()
}

/// What a picture is kept under: `<room>/<uuid>.jpg`, its thumbnail `<room>/<uuid>-400.jpg`; `png` likewise.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    room: String,
    file: String,
}

impl Key {
    /// Keys are spelled in one way only, and none of their characters means anything to a file system.
    fn parse(text: &str) -> Option<Self> {
        let (room, file) = text.split_once('/')?;
        let is_room =
            (1..=MAX_ROOM).contains(&room.len()) && room.bytes().all(|byte| byte.is_ascii_lowercase());
        let name = file.strip_suffix(".jpg").or_else(|| file.strip_suffix(".png"))?;
        let name = name.strip_suffix("-400").unwrap_or(name);
        let is_id = name.parse::<Uuid>().is_ok_and(|id| id.to_string() == name);
        (is_room && is_id).then(|| Self { room: room.to_owned(), file: file.to_owned() })
    }

    /// Its file below `root`.
    ///
    /// # Errors
    /// When there is none. What a link leads to is no picture of ours.
    fn find(&self, root: &path::Path) -> io::Result<PathBuf> {
        let room = root.join(&self.room);
        let file = room.join(&self.file);
        if fs::symlink_metadata(room)?.is_dir() && fs::symlink_metadata(&file)?.is_file() {
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
    fn pictures_and_thumbnails_have_keys() {
        for (room, file) in [
            ("products", format!("{ID}.jpg")),
            ("avatars", format!("{ID}.png")),
            ("products", format!("{ID}-400.jpg")),
            ("a", format!("{ID}-400.png")),
        ] {
            let key = Key { room: room.to_owned(), file: file.clone() };
            assert_eq!(Key::parse(&format!("{room}/{file}")), Some(key));
        }
    }

    #[test]
    fn nothing_else_has() {
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
            assert_eq!(Key::parse(&text), None, "{text}");
        }
    }
}
