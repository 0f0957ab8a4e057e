//! `/api/users/me/avatar`.

use axum::extract::State;
use bodega_proto::identity::v1::{
    RemoveAvatarRequest, SetAvatarRequest, UploadEnd, set_avatar_request::Part,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema},
};

use crate::{
    api::profile::types::Profile,
    app::App,
    extract::{Files, Json, SignedIn},
    json::file_schema,
    problem::Problem,
    response::present,
    upload::{self, Outgoing},
};

const FIELD: &str = "image";

/// The multipart form, for the OpenAPI document only: [`Files`] reads it as a stream.
struct AvatarForm;

impl PartialSchema for AvatarForm {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("An avatar."))
            .property(FIELD, file_schema().description(Some("A JPEG, PNG, WebP or GIF file.")))
            .required(FIELD)
            .into()
    }
}

impl ToSchema for AvatarForm {}

/// Sets the caller's avatar.
///
/// Requires an access token. Replaces the current avatar.
#[utoipa::path(
    put, path = "/api/users/me/avatar", tag = "Profile", security(("bearer" = [])),
    request_body(content = AvatarForm, content_type = "multipart/form-data",
        description = "A JPEG, PNG, WebP or GIF file."),
    responses(
        (status = OK, description = "The profile with the new avatar.", body = Profile),
        (status = TOO_MANY_REQUESTS),
    )
)]
pub(crate) async fn set(State(app): State<App>, _: SignedIn, files: Files) -> Result<Json<Profile>, Problem> {
    let (outgoing, messages) = upload::messages();
    let mut identity = app.identity();
    let response = upload::call(identity.set_avatar(messages), send(files, outgoing)).await?;
    Ok(Json(present(response.user)?.into()))
}

/// Forwards the image to identity while it is received.
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

/// Deletes the caller's avatar.
///
/// Requires an access token. Does nothing when the caller has no avatar.
#[utoipa::path(
    delete, path = "/api/users/me/avatar", tag = "Profile", security(("bearer" = [])),
    responses((status = OK, description = "The profile without an avatar.", body = Profile))
)]
pub(crate) async fn remove(State(app): State<App>, _: SignedIn) -> Result<Json<Profile>, Problem> {
    let response = app.identity().remove_avatar(RemoveAvatarRequest {}).await?.into_inner();
    Ok(Json(present(response.user)?.into()))
}
