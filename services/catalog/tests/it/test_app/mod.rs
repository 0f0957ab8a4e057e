//! A running catalog service, with clients for users and admins.

mod stock;
mod variants;

use std::{path::PathBuf, sync::Arc};

use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use bodega_events::Nats;
use bodega_media::Media;
use bodega_proto::catalog::v1::{
    BatchGetProductsRequest, CreateCategoryRequest, CreateProductRequest, CreateTagRequest,
    DeleteProductRequest, GetProductRequest, IdOrName, ListProductsRequest, Product, UpdateProductRequest,
    catalog_service_client::CatalogServiceClient, change_service_client::ChangeServiceClient, id_or_name,
};
use bodega_runtime::{
    auth::{Caller, Role},
    database,
    database::Pool,
    rate_limit::RateLimits,
    server::Service,
    status,
    transport::Transport,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Code, Request, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// A client with the identity of a user or admin, or without one.
pub(crate) type Client = CatalogServiceClient<InterceptedService<Transport, ActAs>>;

/// The directory of the image storage, in the temporary directory.
const MEDIA: &str = "media";

/// A catalog service with its own database and image directory.
pub(crate) struct TestApp {
    pub(crate) db: Pool,
    pub(crate) directory: Arc<TempDir>,
    routes: Routes,
    _service: Service,
    _shutdown: DropGuard,
    database: Arc<TestDatabase>,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        let (database, db) = database().await;
        Self::start_with(database, db).await
    }

    /// Starts with a prepared database.
    pub(crate) async fn start_with(database: TestDatabase, db: Pool) -> Self {
        let directory: Arc<_> = TempDir::new("images").unwrap().into();
        let media = Media::local(&directory.path().join(MEDIA));
        Self::start_in(database.into(), db, directory, media, None).await
    }

    async fn start_in(
        database: Arc<TestDatabase>,
        db: Pool,
        directory: Arc<TempDir>,
        media: Media,
        nats: Option<Nats>,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let currency = "USD".parse().unwrap();
        let service =
            bodega_catalog::start(db.clone(), currency, media, nats, RateLimits::On, shutdown.clone())
                .await
                .unwrap();
        let routes = service.routes();
        Self { db, directory, routes, _service: service, _shutdown: shutdown.drop_guard(), database }
    }

    /// Starts another replica.
    pub(crate) async fn replica(&self) -> Self {
        self.replica_with(Media::local(&self.storage())).await
    }

    /// Starts another replica with another image storage.
    pub(crate) async fn replica_with(&self, media: Media) -> Self {
        self.replica_of(media, None).await
    }

    /// Starts another replica that publishes events.
    pub(crate) async fn replica_with_nats(&self, nats: Nats) -> Self {
        self.replica_of(Media::local(&self.storage()), Some(nats)).await
    }

    async fn replica_of(&self, media: Media, nats: Option<Nats>) -> Self {
        let db = database::pool(self.database.url().parse().unwrap(), 10, "catalog");
        Self::start_in(self.database.clone(), db, self.directory.clone(), media, nats).await
    }

    /// Returns the directory of the image storage.
    pub(crate) fn storage(&self) -> PathBuf {
        self.directory.path().join(MEDIA)
    }

    pub(crate) fn admin(&self) -> Client {
        self.client_of(Some(Role::Admin))
    }

    pub(crate) fn client_of(&self, role: Option<Role>) -> Client {
        self.client_as(role.map(|role| Caller::new(Uuid::now_v7(), Uuid::now_v7(), role)))
    }

    pub(crate) fn client_as(&self, caller: Option<Caller>) -> Client {
        // Streaming has no deadline, which a busy machine would exceed.
        let transport = Transport::unauthenticated(self.routes.clone()).streaming();
        CatalogServiceClient::with_interceptor(transport, ActAs(caller))
    }

    pub(crate) fn change_service(&self) -> ChangeServiceClient<Transport> {
        ChangeServiceClient::new(Transport::unauthenticated(self.routes.clone()).streaming())
    }

    pub(crate) async fn create(&self, product: CreateProductRequest) -> Product {
        self.try_create(product).await.unwrap()
    }

    pub(crate) async fn try_create(&self, product: CreateProductRequest) -> Result<Product, Status> {
        Ok(self.admin().create_product(product).await?.into_inner().product.unwrap())
    }

    /// Creates a product with this stock and returns its id.
    pub(crate) async fn create_with_stock(&self, stock: i32) -> i32 {
        self.create(CreateProductRequest { stock, ..product("Mug") }).await.id
    }

    pub(crate) async fn update(&self, request: UpdateProductRequest) -> Result<Product, Status> {
        Ok(self.admin().update_product(request).await?.into_inner().product.unwrap())
    }

    pub(crate) async fn archive(&self, id: i32) {
        self.admin().delete_product(DeleteProductRequest { id, expected_version: None }).await.unwrap();
    }

    pub(crate) async fn get(&self, id: i32) -> Result<Product, Status> {
        let response = self.client_of(None).get_product(GetProductRequest { id }).await?;
        Ok(response.into_inner().product.unwrap())
    }

    pub(crate) async fn batch_get(&self, ids: &[i32]) -> Vec<Product> {
        let request = BatchGetProductsRequest { ids: ids.to_vec() };
        self.client_of(None).batch_get_products(request).await.unwrap().into_inner().products
    }

    pub(crate) async fn create_category(&self, name: &str) -> i32 {
        let request = CreateCategoryRequest { name: name.to_owned() };
        self.admin().create_category(request).await.unwrap().into_inner().category.unwrap().id
    }

    pub(crate) async fn create_tag(&self, name: &str) -> i32 {
        let request = CreateTagRequest { name: name.to_owned() };
        self.admin().create_tag(request).await.unwrap().into_inner().tag.unwrap().id
    }

    /// Returns the ids of a page and the cursor of the next one.
    pub(crate) async fn page(&self, request: ListProductsRequest) -> Result<(Vec<i32>, String), Status> {
        let response = self.client_of(None).list_products(request).await?.into_inner();
        Ok((ids(&response.products), response.next_cursor))
    }

    /// Returns the ids of each page.
    pub(crate) async fn pages(&self, mut request: ListProductsRequest) -> Vec<Vec<i32>> {
        let mut pages = Vec::new();
        loop {
            let (ids, next) = self.page(request.clone()).await.unwrap();
            pages.push(ids);
            if next.is_empty() {
                return pages;
            }
            request.cursor = next;
        }
    }

    /// Returns the ids of all pages.
    pub(crate) async fn list(&self, request: ListProductsRequest) -> Vec<i32> {
        self.pages(request).await.concat()
    }

    /// Returns the names of the products that match a query, best match first.
    pub(crate) async fn search(&self, q: &str) -> Vec<String> {
        let request = ListProductsRequest { q: q.to_owned(), ..Default::default() };
        let response = self.client_of(None).list_products(request).await.unwrap().into_inner();
        response.products.into_iter().map(|product| product.name).collect()
    }
}

/// Creates a migrated database.
pub(crate) async fn database() -> (TestDatabase, Pool) {
    let database = testing::database("catalog", |url| async move {
        database::migrate(&url.parse()?, bodega_catalog::SCHEMA, &bodega_catalog::MIGRATOR).await
    })
    .await;
    let db = database::pool(database.url().parse().unwrap(), 10, "catalog");
    (database, db)
}

#[derive(Clone)]
pub(crate) struct ActAs(Option<Caller>);

impl Interceptor for ActAs {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(caller) = &self.0 {
            request.extensions_mut().insert(caller.clone());
        }
        Ok(request)
    }
}

/// A request to create a product with this name and a price.
pub(crate) fn product(name: &str) -> CreateProductRequest {
    CreateProductRequest { name: name.to_owned(), price_minor: 100, ..Default::default() }
}

/// An update that changes nothing.
pub(crate) fn update_request(id: i32) -> UpdateProductRequest {
    UpdateProductRequest { id, ..Default::default() }
}

pub(crate) fn by_id(id: i32) -> IdOrName {
    IdOrName { value: Some(id_or_name::Value::Id(id)) }
}

pub(crate) fn by_name(name: &str) -> IdOrName {
    IdOrName { value: Some(id_or_name::Value::Name(name.to_owned())) }
}

pub(crate) fn ids(products: &[Product]) -> Vec<i32> {
    products.iter().map(|product| product.id).collect()
}

/// Returns the code and reason of a rejected call.
pub(crate) fn rejection<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let rejected = result.unwrap_err();
    (rejected.code(), status::reason(&rejected))
}

/// Checks that a call was rejected because of these fields.
#[track_caller]
pub(crate) fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Status>, fields: &[&str]) {
    let rejected = result.unwrap_err();
    assert_eq!(rejected.code(), Code::InvalidArgument, "{rejected:?}");
    let violations = rejected.get_details_bad_request().unwrap().field_violations;
    let mut found: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    found.dedup();
    assert_eq!(found, fields);
}

/// Checks that a call was rejected with this reason because of this field.
#[track_caller]
pub(crate) fn assert_rejected_field<T: std::fmt::Debug>(
    result: Result<T, Status>,
    reason: &str,
    field: &str,
) {
    assert_eq!(status::reason(result.as_ref().unwrap_err()), reason, "{result:?}");
    assert_invalid(result, &[field]);
}
