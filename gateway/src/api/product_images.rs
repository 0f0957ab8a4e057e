//! `/api/products/{id}/images`.

use axum::extract::State;
use bodega_proto::catalog::v1::{
    AddProductImagesRequest, ImageStart, RemoveProductImageRequest, UploadEnd,
    add_product_images_request::Part,
};
use http::StatusCode;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema},
};

use crate::{
    api::products::{types::Product, with_entity_tag},
    app::App,
    etag::EntityTag,
    extract::{AdminOrKey, Files, Path},
    json::file_schema,
    problem::Problem,
    response::Created,
    upload::{self, Outgoing},
};

/// Accepted names of the field with the images; the first is the documented one.
const FIELDS: [&str; 3] = ["images", "image", "images[]"];

/// The multipart form, for the OpenAPI document only: [`Files`] reads it as a stream.
struct ImagesForm;

impl PartialSchema for ImagesForm {
    fn schema() -> RefOr<Schema> {
        let images = ArrayBuilder::new().items(file_schema()).min_items(Some(1)).description(Some(
            "JPEG, PNG, WebP or GIF files in display order. The field names `image` and `images[]` are accepted too.",
        ));
        ObjectBuilder::new()
            .description(Some("Images of a product."))
            .property("images", images)
            .required("images")
            .into()
    }
}

impl ToSchema for ImagesForm {}

/// Adds images to a product.
///
/// Requires an admin's access token. The images are appended to the existing ones, in the order of the form. If one is
/// rejected, none is added.
#[utoipa::path(
    post, path = "/api/products/{id}/images", tag = "Products", security(("bearer" = ["catalog:write"])),
    params(("id" = i32, Path, description = "Id of the product.")),
    request_body(content = ImagesForm, content_type = "multipart/form-data",
        description = "JPEG, PNG, WebP or GIF files."),
    responses(
        (status = CREATED, description = "Images added. The product with all its images.", body = Product, headers(
            ("location" = String, description = "Path of the product."),
            ("etag" = String, description = "Identifies the new version of the product."),
        )),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The product does not exist or was deleted (`product_not_found`)."),
        (status = TOO_MANY_REQUESTS),
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    files: Files,
) -> Result<(EntityTag, Created<Product>), Problem> {
    let (outgoing, messages) = upload::messages();
    let mut catalog = app.catalog();
    let call = catalog.add_product_images(messages);
    let response = upload::call(call, send(id, files, outgoing)).await?;
    let (tag, product) = with_entity_tag(response.product)?;
    Ok((tag, Created::at(format!("/api/products/{}", product.id), product)))
}

/// Forwards the images to catalog while they are received.
async fn send(id: i32, mut files: Files, catalog: Outgoing<AddProductImagesRequest>) -> Result<(), Problem> {
    let message = |part| AddProductImagesRequest { part: Some(part) };
    catalog.send(message(Part::ProductId(id))).await;
    let mut count = 0;
    while let Some(mut file) = files.next(&FIELDS).await? {
        count += 1;
        catalog.send(message(Part::Image(ImageStart {}))).await;
        while let Some(chunk) = file.chunk().await? {
            catalog.send(message(Part::Chunk(chunk.into()))).await;
        }
    }
    if count == 0 {
        return Err(Problem::invalid(FIELDS[0], "is required"));
    }
    catalog.finish(message(Part::End(UploadEnd {}))).await;
    Ok(())
}

/// Deletes an image of a product.
///
/// Requires an admin's access token.
#[utoipa::path(
    delete, path = "/api/products/{id}/images/{imageId}", tag = "Products", security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("imageId" = i64, Path, description = "Id of the image."),
    ),
    responses(
        (status = NO_CONTENT, description = "Image deleted. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The product does not exist (`product_not_found`), or the image does not \
            exist or belongs to another product (`image_not_found`)."),
    )
)]
pub(crate) async fn remove(
    State(app): State<App>,
    _: AdminOrKey,
    Path((product_id, image_id)): Path<(i32, i64)>,
) -> Result<StatusCode, Problem> {
    app.catalog().remove_product_image(RemoveProductImageRequest { product_id, image_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
