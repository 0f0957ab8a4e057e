//! The catalog service: categories, tags and products. Anyone can read, only admins and API keys with the scope `catalog:write` can write.

use bodega_media::ImageRegistry;
use bodega_proto::catalog::v1::{
    self as pb, AddProductImagesRequest, AddProductImagesResponse, BatchGetProductsRequest,
    BatchGetProductsResponse, CreateCategoryRequest, CreateCategoryResponse, CreateProductRequest,
    CreateProductResponse, CreateTagRequest, CreateTagResponse, DeleteCategoryRequest,
    DeleteCategoryResponse, DeleteProductRequest, DeleteProductResponse, DeleteTagRequest, DeleteTagResponse,
    GetCategoryRequest, GetCategoryResponse, GetProductRequest, GetProductResponse, GetTagRequest,
    GetTagResponse, ListCategoriesRequest, ListCategoriesResponse, ListProductsRequest, ListProductsResponse,
    ListTagsRequest, ListTagsResponse, RemoveProductImageRequest, RemoveProductImageResponse,
    UpdateCategoryRequest, UpdateCategoryResponse, UpdateProductRequest, UpdateProductResponse,
    UpdateTagRequest, UpdateTagResponse, catalog_service_server::CatalogService,
};
use bodega_runtime::{
    auth::{Caller, Scope},
    database::Pool,
    money::Currency,
    rate_limit::RateLimiter,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    categories_and_tags::{self, CategoryOrTag, Kind},
    changes::Changes,
    images::{self, UploadStream},
    listing::Listing,
    products,
};

pub(crate) struct CatalogApi {
    pub(crate) db: Pool,
    pub(crate) currency: Currency,
    pub(crate) images: ImageRegistry,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) listing: Listing,
    pub(crate) changes: Changes,
}

#[tonic::async_trait]
impl CatalogService for CatalogApi {
    async fn list_categories(
        &self,
        request: Request<ListCategoriesRequest>,
    ) -> Result<Response<ListCategoriesResponse>, Status> {
        let ListCategoriesRequest { limit, cursor } = request.into_inner();
        let (categories, next_cursor) =
            categories_and_tags::list(&self.db, Kind::Category, limit, &cursor).await?;
        let categories = categories.into_iter().map(Into::into).collect();
        Ok(Response::new(ListCategoriesResponse { categories, next_cursor }))
    }

    async fn get_category(
        &self,
        request: Request<GetCategoryRequest>,
    ) -> Result<Response<GetCategoryResponse>, Status> {
        let GetCategoryRequest { id } = request.into_inner();
        let category = categories_and_tags::find(&self.db, Kind::Category, id).await?;
        Ok(Response::new(GetCategoryResponse { category: Some(category.into()) }))
    }

    async fn create_category(
        &self,
        request: Request<CreateCategoryRequest>,
    ) -> Result<Response<CreateCategoryResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let CreateCategoryRequest { name } = request.into_inner();
        let category = categories_and_tags::create(&self.db, &caller, Kind::Category, &name).await?;
        Ok(Response::new(CreateCategoryResponse { category: Some(category.into()) }))
    }

    async fn update_category(
        &self,
        request: Request<UpdateCategoryRequest>,
    ) -> Result<Response<UpdateCategoryResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let UpdateCategoryRequest { id, name } = request.into_inner();
        let category = categories_and_tags::rename(&self.db, &caller, Kind::Category, id, &name).await?;
        self.changes.deliver().await;
        Ok(Response::new(UpdateCategoryResponse { category: Some(category.into()) }))
    }

    async fn delete_category(
        &self,
        request: Request<DeleteCategoryRequest>,
    ) -> Result<Response<DeleteCategoryResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        categories_and_tags::delete(&self.db, &caller, Kind::Category, request.get_ref().id).await?;
        self.changes.deliver().await;
        Ok(Response::new(DeleteCategoryResponse {}))
    }

    async fn list_tags(
        &self,
        request: Request<ListTagsRequest>,
    ) -> Result<Response<ListTagsResponse>, Status> {
        let ListTagsRequest { limit, cursor } = request.into_inner();
        let (tags, next_cursor) = categories_and_tags::list(&self.db, Kind::Tag, limit, &cursor).await?;
        let tags = tags.into_iter().map(Into::into).collect();
        Ok(Response::new(ListTagsResponse { tags, next_cursor }))
    }

    async fn get_tag(&self, request: Request<GetTagRequest>) -> Result<Response<GetTagResponse>, Status> {
        let GetTagRequest { id } = request.into_inner();
        let tag = categories_and_tags::find(&self.db, Kind::Tag, id).await?;
        Ok(Response::new(GetTagResponse { tag: Some(tag.into()) }))
    }

    async fn create_tag(
        &self,
        request: Request<CreateTagRequest>,
    ) -> Result<Response<CreateTagResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let CreateTagRequest { name } = request.into_inner();
        let tag = categories_and_tags::create(&self.db, &caller, Kind::Tag, &name).await?;
        Ok(Response::new(CreateTagResponse { tag: Some(tag.into()) }))
    }

    async fn update_tag(
        &self,
        request: Request<UpdateTagRequest>,
    ) -> Result<Response<UpdateTagResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let UpdateTagRequest { id, name } = request.into_inner();
        let tag = categories_and_tags::rename(&self.db, &caller, Kind::Tag, id, &name).await?;
        self.changes.deliver().await;
        Ok(Response::new(UpdateTagResponse { tag: Some(tag.into()) }))
    }

    async fn delete_tag(
        &self,
        request: Request<DeleteTagRequest>,
    ) -> Result<Response<DeleteTagResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        categories_and_tags::delete(&self.db, &caller, Kind::Tag, request.get_ref().id).await?;
        self.changes.deliver().await;
        Ok(Response::new(DeleteTagResponse {}))
    }

    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsResponse>, Status> {
        let (products, next_cursor) = self.listing.list(request.into_inner()).await?;
        let products = products.into_iter().map(Into::into).collect();
        Ok(Response::new(ListProductsResponse { products, next_cursor }))
    }

    async fn get_product(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<GetProductResponse>, Status> {
        let product = products::get(&self.db, request.get_ref().id).await?;
        Ok(Response::new(GetProductResponse { product: Some(product.into()) }))
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        let products = products::batch_get(&self.db, &request.get_ref().ids).await?;
        let products = products.into_iter().map(Into::into).collect();
        Ok(Response::new(BatchGetProductsResponse { products }))
    }

    async fn create_product(
        &self,
        request: Request<CreateProductRequest>,
    ) -> Result<Response<CreateProductResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let product = products::create(&self.db, &caller, self.currency, request.into_inner()).await?;
        self.changes.deliver().await;
        Ok(Response::new(CreateProductResponse { product: Some(product.into()) }))
    }

    async fn update_product(
        &self,
        request: Request<UpdateProductRequest>,
    ) -> Result<Response<UpdateProductResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let product = products::update(&self.db, &caller, self.currency, request.into_inner()).await?;
        self.changes.deliver().await;
        Ok(Response::new(UpdateProductResponse { product: Some(product.into()) }))
    }

    async fn delete_product(
        &self,
        request: Request<DeleteProductRequest>,
    ) -> Result<Response<DeleteProductResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let DeleteProductRequest { id, expected_version } = request.into_inner();
        products::archive(&self.db, &caller, id, expected_version).await?;
        self.changes.deliver().await;
        Ok(Response::new(DeleteProductResponse {}))
    }

    async fn add_product_images(
        &self,
        request: Request<Streaming<AddProductImagesRequest>>,
    ) -> Result<Response<AddProductImagesResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let stream = UploadStream::new(request.into_inner());
        let product = images::add(&self.db, &caller, &self.rate_limiter, &self.images, stream).await?;
        self.changes.deliver().await;
        Ok(Response::new(AddProductImagesResponse { product: Some(product.into()) }))
    }

    async fn remove_product_image(
        &self,
        request: Request<RemoveProductImageRequest>,
    ) -> Result<Response<RemoveProductImageResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let RemoveProductImageRequest { product_id, image_id } = request.into_inner();
        images::remove(&self.db, &caller, product_id, image_id).await?;
        self.changes.deliver().await;
        Ok(Response::new(RemoveProductImageResponse {}))
    }
}

impl From<CategoryOrTag> for pb::Category {
    fn from(CategoryOrTag { id, name, product_count }: CategoryOrTag) -> Self {
        Self { id, name, product_count }
    }
}

impl From<CategoryOrTag> for pb::Tag {
    fn from(CategoryOrTag { id, name, product_count }: CategoryOrTag) -> Self {
        Self { id, name, product_count }
    }
}
