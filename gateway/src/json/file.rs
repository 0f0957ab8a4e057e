use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, schema::Type};

/// A file in a multipart form, as OpenAPI 3.1 describes it and as tools for OpenAPI 3.0 understand it.
pub(crate) fn file_schema() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .content_media_type("application/octet-stream")
}
