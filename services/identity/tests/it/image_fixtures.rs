//! Test images, and the files in the storage.

use std::{collections::BTreeSet, io::Cursor, path::Path, time::Duration};

use bodega_proto::identity::v1::{
    RemoveAvatarRequest, Session, SetAvatarRequest, UploadEnd, User, set_avatar_request::Part,
};
use futures_util::stream;
use image::{ImageFormat, Rgb, RgbImage};
use tonic::Status;

use crate::test_app::{MEDIA, TestApp};

/// Returns a square PNG of one color.
pub(crate) fn png(width: u32, shade: u8) -> Vec<u8> {
    encoded(width, shade, ImageFormat::Png)
}

/// Returns a square JPEG of one color.
pub(crate) fn jpeg(width: u32, shade: u8) -> Vec<u8> {
    encoded(width, shade, ImageFormat::Jpeg)
}

fn encoded(width: u32, shade: u8, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(width, width, Rgb([shade, 0, 0])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn chunk(bytes: &[u8]) -> SetAvatarRequest {
    SetAvatarRequest { part: Some(Part::Chunk(bytes.to_vec())) }
}

pub(crate) fn end() -> SetAvatarRequest {
    SetAvatarRequest { part: Some(Part::End(UploadEnd {})) }
}

/// Returns the messages of a complete upload.
pub(crate) fn upload(image: &[u8]) -> Vec<SetAvatarRequest> {
    image.chunks(64 * 1024).map(chunk).chain([end()]).collect()
}

/// Returns the file of a URL, relative to the storage.
pub(crate) fn file(url: &str) -> String {
    url.strip_prefix("/media/").unwrap().to_owned()
}

/// Returns the files of a user's avatar.
pub(crate) fn files_of(user: &User) -> BTreeSet<String> {
    [&user.avatar_url, &user.avatar_thumbnail_url].map(|url| file(url)).into()
}

impl TestApp {
    pub(crate) async fn send_avatar(
        &self,
        session: &Session,
        parts: Vec<SetAvatarRequest>,
    ) -> Result<User, Status> {
        let mut client = self.bearer(&session.access_token).await;
        Ok(client.set_avatar(stream::iter(parts)).await?.into_inner().user.unwrap())
    }

    pub(crate) async fn set_avatar(&self, session: &Session, image: &[u8]) -> Result<User, Status> {
        self.send_avatar(session, upload(image)).await
    }

    pub(crate) async fn remove_avatar(&self, session: &Session) -> Result<User, Status> {
        let mut client = self.bearer(&session.access_token).await;
        Ok(client.remove_avatar(RemoveAvatarRequest {}).await?.into_inner().user.unwrap())
    }

    /// Reads the file of a URL.
    pub(crate) fn read(&self, url: &str) -> Vec<u8> {
        std::fs::read(self.media_dir.path().join(MEDIA).join(file(url))).unwrap()
    }

    /// Returns all files in the storage.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let root = self.media_dir.path().join(MEDIA);
        let mut files = BTreeSet::new();
        list(&root, &root, &mut files);
        files
    }

    /// Returns the files of all avatars.
    pub(crate) async fn referenced_files(&self) -> BTreeSet<String> {
        let urls: Vec<String> = sqlx::query_scalar(
            "select avatar_url from identity.users where avatar_image_key is not null
             union all select avatar_thumbnail_url from identity.users where avatar_image_key is not null",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        urls.iter().map(|url| file(url)).collect()
    }

    /// Moves the end of the retention of unused images into the past.
    pub(crate) async fn expire_unused_images(&self) {
        sqlx::query("update identity.stored_images set delete_after = delete_after - interval '1 hour'")
            .execute(&self.db)
            .await
            .unwrap();
    }

    /// Waits until all unused images are deleted.
    pub(crate) async fn wait_for_cleanup(&self) {
        for _ in 0..200 {
            let due: i64 = sqlx::query_scalar(
                "select count(*) from identity.stored_images where delete_after <= now() or attempts > 0",
            )
            .fetch_one(&self.db)
            .await
            .unwrap();
            if due == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("unused images are not deleted");
    }
}

fn list(root: &Path, directory: &Path, files: &mut BTreeSet<String>) {
    // The directory is created with the first image.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            list(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}
