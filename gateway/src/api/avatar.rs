//! The picture of the caller's account.

use axum::extract::State;
use bodega_proto::identity::v1::{
    RemoveAvatarRequest, SetAvatarRequest, UploadEnd, set_avatar_request::Part,
};

use crate::{
    answer::present,
    app::App,
    extract::{Files, Json, SignedIn},
    json::{AvatarForm, Profile},
    problem::Problem,
    upload::{self, Outgoing},
};

/// How the field with the picture is called.
const FIELD: &str = "image";

/// Gives the caller's account a picture, instead of the one it has.
#[utoipa::path(
    put, path = "/api/users/me/avatar", tag = "Profile",
    request_body(content = AvatarForm, content_type = "multipart/form-data"), security(("bearer" = [])),
    responses((status = OK, body = Profile))
)]
pub(crate) async fn set(State(app): State<App>, _: SignedIn, files: Files) -> Result<Json<Profile>, Problem> {
    let (outgoing, messages) = upload::messages();
    let mut identity = app.identity();
    let answer = upload::answer(identity.set_avatar(messages), send(files, outgoing)).await?;
    Ok(Json(present(answer.user)?.into()))
}

/// Sends the one picture as it comes in.
async fn send(mut files: Files, identity: Outgoing<SetAvatarRequest>) -> Result<(), Problem> {
    let message = |part| SetAvatarRequest { part: Some(part) };
    let mut count = 0;
    while let Some(mut file) = files.next(&[FIELD]).await? {
        count += 1;
        if count > 1 {
            return Err(Problem::invalid(FIELD, "is given twice"));
        }
        while let Some(chunk) = file.chunk().await? {
            identity.send(message(Part::Chunk(chunk.into()))).await;
        }
    }
    if count == 0 {
        return Err(Problem::invalid(FIELD, "is required"));
    }
    identity.finish(message(Part::End(UploadEnd {}))).await;
    Ok(())
}

/// Takes the picture of the caller's account away, if it has one.
#[utoipa::path(
    delete, path = "/api/users/me/avatar", tag = "Profile", security(("bearer" = [])),
    responses((status = OK, body = Profile))
)]
pub(crate) async fn remove(State(app): State<App>, _: SignedIn) -> Result<Json<Profile>, Problem> {
    let answer = app.identity().remove_avatar(RemoveAvatarRequest {}).await?.into_inner();
    Ok(Json(present(answer.user)?.into()))
}
