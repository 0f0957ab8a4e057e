//! Forms that carry files. They are read as they come in, and so are never a value; the document knows their shape.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

/// Pictures of a product.
pub(crate) struct ImagesForm;

impl PartialSchema for ImagesForm {
    fn schema() -> RefOr<Schema> {
        let images = ArrayBuilder::new().items(file()).min_items(Some(1)).description(Some(
            "JPEG, PNG, WebP or GIF, in the order they are to be shown. `image` and `images[]` are accepted too.",
        ));
        ObjectBuilder::new()
            .description(Some("Pictures of a product."))
            .property("images", images)
            .required("images")
            .into()
    }
}

impl ToSchema for ImagesForm {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ImagesForm")
    }
}

/// A picture of the caller.
pub(crate) struct AvatarForm;

impl PartialSchema for AvatarForm {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("A picture of the caller."))
            .property("image", file().description(Some("JPEG, PNG, WebP or GIF.")))
            .required("image")
            .into()
    }
}

impl ToSchema for AvatarForm {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AvatarForm")
    }
}

/// A file, in the words of OpenAPI 3.1 and of the tools that still go by those of 3.0.
fn file() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .content_media_type("application/octet-stream")
}
