//! Pictures of products.

use axum::extract::State;
use bodega_proto::catalog::v1::{
    AddProductImagesRequest, ImageStart, RemoveProductImageRequest, UploadEnd,
    add_product_images_request::Part,
};
use http::StatusCode;

use super::products::tagged;
use crate::{
    answer::Created,
    app::App,
    etag::EntityTag,
    extract::{Admin, Files, Path},
    json::{ImagesForm, Product},
    problem::Problem,
    upload::{self, Outgoing},
};

/// How the fields with pictures may be called; the first is how we call them.
const FIELDS: [&str; 3] = ["images", "image", "images[]"];

/// Adds pictures to a product, behind those it has, in the order they come: all of them or none.
#[utoipa::path(
    post, path = "/api/products/{id}/images", tag = "Products", params(("id" = i32, Path)),
    request_body(content = ImagesForm, content_type = "multipart/form-data"), security(("bearer" = [])),
    responses(
        (status = CREATED, body = Product, headers(("location" = String), ("etag" = String))),
        (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
    files: Files,
) -> Result<(EntityTag, Created<Product>), Problem> {
    let (outgoing, messages) = upload::messages();
    let mut catalog = app.catalog();
    let call = catalog.add_product_images(messages);
    let answer = upload::answer(call, send(id, files, outgoing)).await?;
    let (tag, product) = tagged(answer.product)?;
    Ok((tag, Created::at(format!("/api/products/{}", product.id), product.into())))
}

/// Sends the pictures as they come in.
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

/// Takes a picture away from a product.
#[utoipa::path(
    delete, path = "/api/products/{id}/images/{imageId}", tag = "Products",
    params(("id" = i32, Path), ("imageId" = i64, Path)), security(("bearer" = [])),
    responses(
        (status = NO_CONTENT), (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
    )
)]
pub(crate) async fn remove(
    State(app): State<App>,
    _: Admin,
    Path((product_id, image_id)): Path<(i32, i64)>,
) -> Result<StatusCode, Problem> {
    app.catalog().remove_product_image(RemoveProductImageRequest { product_id, image_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
