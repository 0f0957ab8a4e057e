//! Categories, tags and products. Reads are for anyone, writes for admins.

use bodega_media::ImageRegistry;
use bodega_proto::catalog::v1::{
    AddProductImagesRequest, AddProductImagesResponse, BatchGetProductsRequest, BatchGetProductsResponse,
    CreateCategoryRequest, CreateCategoryResponse, CreateProductRequest, CreateProductResponse,
    CreateTagRequest, CreateTagResponse, DeleteCategoryRequest, DeleteCategoryResponse, DeleteProductRequest,
    DeleteProductResponse, DeleteTagRequest, DeleteTagResponse, GetCategoryRequest, GetCategoryResponse,
    GetProductRequest, GetProductResponse, GetTagRequest, GetTagResponse, ListCategoriesRequest,
    ListCategoriesResponse, ListProductsRequest, ListProductsResponse, ListTagsRequest, ListTagsResponse,
    RemoveProductImageRequest, RemoveProductImageResponse, UpdateCategoryRequest, UpdateCategoryResponse,
    UpdateProductRequest, UpdateProductResponse, UpdateTagRequest, UpdateTagResponse,
    catalog_service_server::CatalogService,
};
use bodega_runtime::{auth::Caller, database::retry_on_conflict, money::Currency, page};
use sqlx::PgPool;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    browse::Finder,
    draft::{Changes, Draft},
    error::Error,
    label, manage, pictures,
    store::{categories, tags},
    upload::Parts,
};

/// For shoppers and admins.
pub(crate) struct CatalogApi {
    db: PgPool,
    currency: Currency,
    images: ImageRegistry,
    finder: Finder,
}

impl CatalogApi {
    /// The catalog in `db`, priced in `currency`, with its images in `images`.
    pub(crate) fn new(db: PgPool, currency: Currency, images: ImageRegistry) -> Self {
        Self { finder: Finder::new(db.clone()), db, currency, images }
    }
}

#[tonic::async_trait]
impl CatalogService for CatalogApi {
    async fn list_categories(
        &self,
        request: Request<ListCategoriesRequest>,
    ) -> Result<Response<ListCategoriesResponse>, Status> {
        let ListCategoriesRequest { limit, cursor } = request.into_inner();
        let limit = page::limit(limit, page::MAX_LIMIT)?;
        let after = page::decode(&cursor)?.unwrap_or_default();
        let mut categories = categories::list(&self.db, after, limit + 1).await.map_err(Error::from)?;
        let next_cursor = page::cut(&mut categories, limit, |last| last.id);
        let categories = categories.into_iter().map(Into::into).collect();
        Ok(Response::new(ListCategoriesResponse { categories, next_cursor }))
    }

    async fn get_category(
        &self,
        request: Request<GetCategoryRequest>,
    ) -> Result<Response<GetCategoryResponse>, Status> {
        let found = categories::find(&self.db, request.get_ref().id).await.map_err(Error::from)?;
        let category = found.ok_or(Error::CategoryNotFound)?;
        Ok(Response::new(GetCategoryResponse { category: Some(category.into()) }))
    }

    async fn create_category(
        &self,
        request: Request<CreateCategoryRequest>,
    ) -> Result<Response<CreateCategoryResponse>, Status> {
        Caller::admin_of(&request)?;
        let name = label::parse_name(&request.get_ref().name).map_err(Error::from)?;
        let category = categories::create(&self.db, &name).await.map_err(Error::from)?;
        Ok(Response::new(CreateCategoryResponse { category: Some(category.into()) }))
    }

    async fn update_category(
        &self,
        request: Request<UpdateCategoryRequest>,
    ) -> Result<Response<UpdateCategoryResponse>, Status> {
        Caller::admin_of(&request)?;
        let UpdateCategoryRequest { id, name } = request.into_inner();
        let name = label::parse_name(&name).map_err(Error::from)?;
        let rename = || categories::rename(&self.db, id, &name);
        let category =
            retry_on_conflict(rename).await.map_err(Error::from)?.ok_or(Error::CategoryNotFound)?;
        Ok(Response::new(UpdateCategoryResponse { category: Some(category.into()) }))
    }

    async fn delete_category(
        &self,
        request: Request<DeleteCategoryRequest>,
    ) -> Result<Response<DeleteCategoryResponse>, Status> {
        Caller::admin_of(&request)?;
        let delete = || categories::delete(&self.db, request.get_ref().id);
        if !retry_on_conflict(delete).await.map_err(Error::from)? {
            return Err(Error::CategoryNotFound.into());
        }
        Ok(Response::new(DeleteCategoryResponse {}))
    }

    async fn list_tags(
        &self,
        request: Request<ListTagsRequest>,
    ) -> Result<Response<ListTagsResponse>, Status> {
        let ListTagsRequest { limit, cursor } = request.into_inner();
        let limit = page::limit(limit, page::MAX_LIMIT)?;
        let after = page::decode(&cursor)?.unwrap_or_default();
        let mut tags = tags::list(&self.db, after, limit + 1).await.map_err(Error::from)?;
        let next_cursor = page::cut(&mut tags, limit, |last| last.id);
        let tags = tags.into_iter().map(Into::into).collect();
        Ok(Response::new(ListTagsResponse { tags, next_cursor }))
    }

    async fn get_tag(&self, request: Request<GetTagRequest>) -> Result<Response<GetTagResponse>, Status> {
        let found = tags::find(&self.db, request.get_ref().id).await.map_err(Error::from)?;
        let tag = found.ok_or(Error::TagNotFound)?;
        Ok(Response::new(GetTagResponse { tag: Some(tag.into()) }))
    }

    async fn create_tag(
        &self,
        request: Request<CreateTagRequest>,
    ) -> Result<Response<CreateTagResponse>, Status> {
        Caller::admin_of(&request)?;
        let name = label::parse_name(&request.get_ref().name).map_err(Error::from)?;
        let tag = tags::create(&self.db, &name).await.map_err(Error::from)?;
        Ok(Response::new(CreateTagResponse { tag: Some(tag.into()) }))
    }

    async fn update_tag(
        &self,
        request: Request<UpdateTagRequest>,
    ) -> Result<Response<UpdateTagResponse>, Status> {
        Caller::admin_of(&request)?;
        let UpdateTagRequest { id, name } = request.into_inner();
        let name = label::parse_name(&name).map_err(Error::from)?;
        let rename = || tags::rename(&self.db, id, &name);
        let tag = retry_on_conflict(rename).await.map_err(Error::from)?.ok_or(Error::TagNotFound)?;
        Ok(Response::new(UpdateTagResponse { tag: Some(tag.into()) }))
    }

    async fn delete_tag(
        &self,
        request: Request<DeleteTagRequest>,
    ) -> Result<Response<DeleteTagResponse>, Status> {
        Caller::admin_of(&request)?;
        let delete = || tags::delete(&self.db, request.get_ref().id);
        if !retry_on_conflict(delete).await.map_err(Error::from)? {
            return Err(Error::TagNotFound.into());
        }
        Ok(Response::new(DeleteTagResponse {}))
    }

    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsResponse>, Status> {
        Ok(Response::new(self.finder.list(request.into_inner()).await?))
    }

    async fn get_product(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<GetProductResponse>, Status> {
        let product = self.finder.get(request.get_ref().id).await?;
        Ok(Response::new(GetProductResponse { product: Some(product.into()) }))
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        let products = self.finder.batch_get(&request.get_ref().ids).await?;
        let products = products.into_iter().map(Into::into).collect();
        Ok(Response::new(BatchGetProductsResponse { products }))
    }

    async fn create_product(
        &self,
        request: Request<CreateProductRequest>,
    ) -> Result<Response<CreateProductResponse>, Status> {
        Caller::admin_of(&request)?;
        let draft = Draft::parse(request.into_inner(), self.currency).map_err(Error::from)?;
        let product = manage::create(&self.db, self.currency, &draft).await?;
        Ok(Response::new(CreateProductResponse { product: Some(product.into()) }))
    }

    async fn update_product(
        &self,
        request: Request<UpdateProductRequest>,
    ) -> Result<Response<UpdateProductResponse>, Status> {
        Caller::admin_of(&request)?;
        let request = request.into_inner();
        let (id, expected_version) = (request.id, request.expected_version);
        let changes = Changes::parse(request, self.currency).map_err(Error::from)?;
        let product = manage::update(&self.db, self.currency, id, expected_version, &changes).await?;
        Ok(Response::new(UpdateProductResponse { product: Some(product.into()) }))
    }

    async fn delete_product(
        &self,
        request: Request<DeleteProductRequest>,
    ) -> Result<Response<DeleteProductResponse>, Status> {
        Caller::admin_of(&request)?;
        let DeleteProductRequest { id, expected_version } = request.into_inner();
        manage::archive(&self.db, id, expected_version).await?;
        Ok(Response::new(DeleteProductResponse {}))
    }

    async fn add_product_images(
        &self,
        request: Request<Streaming<AddProductImagesRequest>>,
    ) -> Result<Response<AddProductImagesResponse>, Status> {
        Caller::admin_of(&request)?;
        let parts = Parts::new(request.into_inner());
        let product = pictures::add(&self.db, &self.images, parts).await?;
        Ok(Response::new(AddProductImagesResponse { product: Some(product.into()) }))
    }

    async fn remove_product_image(
        &self,
        request: Request<RemoveProductImageRequest>,
    ) -> Result<Response<RemoveProductImageResponse>, Status> {
        Caller::admin_of(&request)?;
        let RemoveProductImageRequest { product_id, image_id } = request.into_inner();
        pictures::remove(&self.db, product_id, image_id).await?;
        Ok(Response::new(RemoveProductImageResponse {}))
    }
}
