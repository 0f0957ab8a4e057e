//! The picture of an account.
//!
//! Its row is written before its object, to be swept in an hour; one transaction takes that back, gives the picture to
//! the account and leaves the one before to be swept. So wherever this stops, what nobody shows does not stay
//! (`bodega_media::ImageRegistry`); and the storage is never called inside a transaction.

use bodega_media::Upload;
use bodega_proto::identity::v1::{self as pb, set_avatar_request::Part};
use bodega_runtime::auth::Caller;
use tonic::Streaming;
use tracing::debug;

use crate::{
    account::Account,
    app::App,
    error::Error,
    store::{self, users::Avatar},
};

/// Folder of avatars in the storage.
const FOLDER: &str = "avatars";

/// Gives the caller's account the picture in `parts`, instead of the one it has.
pub(crate) async fn set(
    app: &App,
    caller: &Caller,
    parts: Streaming<pb::SetAvatarRequest>,
) -> Result<Account, Error> {
    // Before a byte is read: nobody takes up room who may not.
    app.signed_in(caller).await?;
    let upload = collect(app, parts).await?;
    let picture = app.images.media().encode(upload).await?;
    let stored = app.images.store(FOLDER, picture).await?;

    let mut tx = app.db.begin().await?;
    store::users::lock_enabled(&mut tx, caller.user_id).await?.ok_or(Error::SessionEnded)?;
    store::pictures::detach_avatar(&mut tx, caller.user_id).await?;
    if !app.images.mark_used(&mut tx, std::slice::from_ref(&stored.key)).await? {
        return Err(Error::PictureSwept);
    }
    let (key, urls) = (&stored.key, &stored.urls);
    let avatar = Avatar { picture: Some(key), url: &urls.url, thumbnail_url: &urls.thumbnail_url };
    let account = store::users::set_avatar(&mut tx, caller.user_id, &avatar).await?;
    tx.commit().await?;
    Ok(account)
}

/// Takes the picture of the caller's account away, if it has one.
pub(crate) async fn remove(app: &App, caller: &Caller) -> Result<Account, Error> {
    app.signed_in(caller).await?;
    let mut tx = app.db.begin().await?;
    let account = store::users::lock_enabled(&mut tx, caller.user_id).await?.ok_or(Error::SessionEnded)?;
    if account.avatar_url.is_empty() {
        return Ok(account);
    }
    store::pictures::detach_avatar(&mut tx, account.id).await?;
    let account = store::users::set_avatar(&mut tx, account.id, &Avatar::default()).await?;
    tx.commit().await?;
    Ok(account)
}

/// The picture that `parts` are, if they are all there.
async fn collect(app: &App, mut parts: Streaming<pb::SetAvatarRequest>) -> Result<Upload, Error> {
    let mut upload = app.images.media().upload().await?;
    while let Some(part) = next(&mut parts).await? {
        match part {
            Part::Chunk(chunk) => upload.push(&chunk)?,
            Part::End(pb::UploadEnd {}) if next(&mut parts).await?.is_some() => {
                return Err(Error::UploadIncomplete("goes on after its end"));
            }
            Part::End(pb::UploadEnd {}) => return Ok(upload),
        }
    }
    Err(Error::UploadIncomplete("breaks off before its end"))
}

/// The next part; none where the stream ends.
async fn next(parts: &mut Streaming<pb::SetAvatarRequest>) -> Result<Option<Part>, Error> {
    match parts.message().await {
        Ok(None) => Ok(None),
        Ok(Some(pb::SetAvatarRequest { part: Some(part) })) => Ok(Some(part)),
        Ok(Some(pb::SetAvatarRequest { part: None })) => {
            Err(Error::UploadIncomplete("has a part that is neither bytes nor its end"))
        }
        Err(cause) => {
            debug!("an upload broke off: {cause}");
            Err(Error::UploadIncomplete("breaks off before its end"))
        }
    }
}
