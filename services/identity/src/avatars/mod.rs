//! Avatars of users.

pub(crate) mod db;

use bodega_media::{ImageRegistry, Media, Upload};
use bodega_proto::identity::v1::{self as pb, set_avatar_request::Part};
use bodega_runtime::{
    auth::Caller,
    database::Pool,
    rate_limit::{RateLimiter, limits},
};
use tonic::Streaming;
use tracing::debug;

use self::db::Avatar;
use crate::{
    error::Error,
    sessions,
    users::{self, User},
};

/// Maximum width and height in pixels. Any user may upload avatars, and they are shown small.
const MAX_SIDE: u32 = 2048;
/// Folder of avatars in the storage.
const FOLDER: &str = "avatars";

/// Returns the storage of avatars, with memory of its own.
pub(crate) fn media(media: &Media) -> Media {
    media.limited_to("avatars", MAX_SIDE)
}

/// Replaces the avatar of the caller with an uploaded image.
pub(crate) async fn set_avatar(
    db: &Pool,
    limiter: &RateLimiter,
    images: &ImageRegistry,
    caller: &Caller,
    parts: Streaming<pb::SetAvatarRequest>,
) -> Result<User, Error> {
    // Checked before the image is collected.
    sessions::current_user(db, caller).await?;
    limiter.take_cheaply(limits::AVATARS.by(caller.user_id)).await?;
    let upload = collect(images.media(), parts).await?;
    let image = images.media().encode(upload).await?;
    let stored = images.store(FOLDER, image).await?;

    let mut transaction = db.begin().await?;
    users::db::lock_enabled(&mut transaction, caller.user_id).await?.ok_or(Error::SessionEnded)?;
    db::release_image(&mut transaction, caller.user_id).await?;
    if !images.mark_used(&mut transaction, std::slice::from_ref(&stored.key)).await? {
        return Err(Error::ImageExpired);
    }
    let avatar = Avatar {
        image_key: Some(&stored.key),
        url: &stored.urls.url,
        thumbnail_url: &stored.urls.thumbnail_url,
    };
    let user = db::set(&mut transaction, caller.user_id, &avatar).await?;
    transaction.commit().await?;
    Ok(user)
}

/// Removes the avatar of the caller, if there is one.
pub(crate) async fn remove_avatar(db: &Pool, caller: &Caller) -> Result<User, Error> {
    sessions::current_user(db, caller).await?;
    let mut transaction = db.begin().await?;
    let user = users::db::lock_enabled(&mut transaction, caller.user_id).await?.ok_or(Error::SessionEnded)?;
    if user.avatar_url.is_empty() {
        return Ok(user);
    }
    db::release_image(&mut transaction, user.id).await?;
    let user = db::set(&mut transaction, user.id, &Avatar::default()).await?;
    transaction.commit().await?;
    Ok(user)
}

/// Reads the parts of an upload until its end.
async fn collect(media: &Media, mut parts: Streaming<pb::SetAvatarRequest>) -> Result<Upload, Error> {
    let mut upload = media.upload();
    while let Some(part) = next_part(&mut parts).await? {
        match part {
            Part::Chunk(chunk) => upload.push(&chunk)?,
            Part::End(pb::UploadEnd {}) if next_part(&mut parts).await?.is_some() => {
                return Err(Error::UploadIncomplete("has data after its end"));
            }
            Part::End(pb::UploadEnd {}) => return Ok(upload),
        }
    }
    Err(Error::UploadIncomplete("is incomplete"))
}

async fn next_part(parts: &mut Streaming<pb::SetAvatarRequest>) -> Result<Option<Part>, Error> {
    match parts.message().await {
        Ok(None) => Ok(None),
        Ok(Some(pb::SetAvatarRequest { part: Some(part) })) => Ok(Some(part)),
        Ok(Some(pb::SetAvatarRequest { part: None })) => Err(Error::UploadIncomplete("has an empty part")),
        Err(error) => {
            debug!("avatar upload aborted, rejecting it: {error}");
            Err(Error::UploadIncomplete("is incomplete"))
        }
    }
}
