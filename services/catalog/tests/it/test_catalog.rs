//! A shop of one catalog service, and those who run it.

use std::{path::PathBuf, sync::Arc};

use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use bodega_media::Media;
use bodega_proto::catalog::v1::{
    BatchGetProductsRequest, CreateCategoryRequest, CreateProductRequest, CreateTagRequest,
    DeleteProductRequest, GetProductRequest, IdOrName, ListProductsRequest, Product, ReleaseRequest,
    ReserveRequest, StockLine, UpdateProductRequest, catalog_service_client::CatalogServiceClient,
    id_or_name, reserve_response::Outcome, stock_service_client::StockServiceClient,
};
use bodega_runtime::{
    auth::{Caller, Role},
    database,
    server::Service,
    status,
    transport::Transport,
};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Code, Request, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// A client that acts as somebody, or as nobody.
pub(crate) type Client = CatalogServiceClient<InterceptedService<Transport, ActAs>>;

/// The directory of the storage, in that of the pictures.
const MEDIA: &str = "media";

/// A catalog service over a database and a directory of its own.
pub(crate) struct Shop {
    pub(crate) db: PgPool,
    pub(crate) pictures: Arc<TempDir>,
    routes: Routes,
    _service: Service,
    _shutdown: DropGuard,
    database: Arc<TestDatabase>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (database, db) = database().await;
        Self::open_with(database, db).await
    }

    /// Opens over a database that things may have happened to.
    pub(crate) async fn open_with(database: TestDatabase, db: PgPool) -> Self {
        let pictures: Arc<_> = TempDir::new("pictures").unwrap().into();
        let media = Media::local(&pictures.path().join(MEDIA));
        Self::over(database.into(), db, pictures, media).await
    }

    async fn over(database: Arc<TestDatabase>, db: PgPool, pictures: Arc<TempDir>, media: Media) -> Self {
        let shutdown = CancellationToken::new();
        let currency = "USD".parse().unwrap();
        let service = bodega_catalog::start(db.clone(), currency, media, shutdown.clone()).await.unwrap();
        let routes = service.routes();
        Self { db, pictures, routes, _service: service, _shutdown: shutdown.drop_guard(), database }
    }

    /// Another replica of the service.
    pub(crate) async fn replica(&self) -> Self {
        self.replica_with(Media::local(&self.storage())).await
    }

    /// Another replica, which keeps pictures elsewhere.
    pub(crate) async fn replica_with(&self, media: Media) -> Self {
        let db = database::pool(self.database.url().parse().unwrap(), 10, "catalog");
        Self::over(self.database.clone(), db, self.pictures.clone(), media).await
    }

    /// Where the files of pictures are.
    pub(crate) fn storage(&self) -> PathBuf {
        self.pictures.path().join(MEDIA)
    }

    pub(crate) fn admin(&self) -> Client {
        self.acting_as(Some(Role::Admin))
    }

    pub(crate) fn acting_as(&self, role: Option<Role>) -> Client {
        let caller = role.map(|role| Caller { user_id: Uuid::now_v7(), session_id: Uuid::now_v7(), role });
        // The tests share two cores: a deadline is not what they are about.
        let transport = Transport::unauthenticated(self.routes.clone()).streaming();
        CatalogServiceClient::with_interceptor(transport, ActAs(caller))
    }

    fn stock_service(&self) -> StockServiceClient<Transport> {
        StockServiceClient::new(Transport::unauthenticated(self.routes.clone()).streaming())
    }

    pub(crate) async fn create(&self, product: CreateProductRequest) -> Product {
        self.try_create(product).await.unwrap()
    }

    pub(crate) async fn try_create(&self, product: CreateProductRequest) -> Result<Product, Status> {
        Ok(self.admin().create_product(product).await?.into_inner().product.unwrap())
    }

    /// A product with this much stock; its id.
    pub(crate) async fn stocked(&self, stock: i32) -> i32 {
        self.create(CreateProductRequest { stock, ..product("Mug") }).await.id
    }

    pub(crate) async fn update(&self, changes: UpdateProductRequest) -> Result<Product, Status> {
        Ok(self.admin().update_product(changes).await?.into_inner().product.unwrap())
    }

    pub(crate) async fn archive(&self, id: i32) {
        self.admin().delete_product(DeleteProductRequest { id, expected_version: None }).await.unwrap();
    }

    pub(crate) async fn get(&self, id: i32) -> Result<Product, Status> {
        let response = self.acting_as(None).get_product(GetProductRequest { id }).await?;
        Ok(response.into_inner().product.unwrap())
    }

    pub(crate) async fn batch(&self, ids: &[i32]) -> Vec<Product> {
        let request = BatchGetProductsRequest { ids: ids.to_vec() };
        self.acting_as(None).batch_get_products(request).await.unwrap().into_inner().products
    }

    pub(crate) async fn category(&self, name: &str) -> i32 {
        let request = CreateCategoryRequest { name: name.to_owned() };
        self.admin().create_category(request).await.unwrap().into_inner().category.unwrap().id
    }

    pub(crate) async fn tag(&self, name: &str) -> i32 {
        let request = CreateTagRequest { name: name.to_owned() };
        self.admin().create_tag(request).await.unwrap().into_inner().tag.unwrap().id
    }

    /// A page: ids, and where the next one begins.
    pub(crate) async fn page(&self, request: ListProductsRequest) -> Result<(Vec<i32>, String), Status> {
        let response = self.acting_as(None).list_products(request).await?.into_inner();
        Ok((ids(&response.products), response.next_cursor))
    }

    /// The ids of every page.
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

    /// The ids of all pages.
    pub(crate) async fn list(&self, request: ListProductsRequest) -> Vec<i32> {
        self.pages(request).await.concat()
    }

    /// The names of what a query finds, best first.
    pub(crate) async fn search(&self, q: &str) -> Vec<String> {
        let request = ListProductsRequest { q: q.to_owned(), ..Default::default() };
        let response = self.acting_as(None).list_products(request).await.unwrap().into_inner();
        response.products.into_iter().map(|product| product.name).collect()
    }

    pub(crate) async fn try_reserve(&self, order_id: Uuid, lines: &[(i32, i32)]) -> Result<Outcome, Status> {
        let lines = lines.iter().map(|&(product_id, quantity)| StockLine { product_id, quantity }).collect();
        let request = ReserveRequest { order_id: order_id.to_string(), lines };
        Ok(self.stock_service().reserve(request).await?.into_inner().outcome.unwrap())
    }

    pub(crate) async fn reserve(&self, order_id: Uuid, lines: &[(i32, i32)]) -> Outcome {
        self.try_reserve(order_id, lines).await.unwrap()
    }

    pub(crate) async fn release(&self, order_id: Uuid) {
        let request = ReleaseRequest { order_id: order_id.to_string() };
        self.stock_service().release(request).await.unwrap();
    }

    pub(crate) async fn stock_of(&self, id: i32) -> i32 {
        self.batch(&[id]).await[0].stock
    }

    /// Every movement of a product's stock: its reason and by how much.
    pub(crate) async fn movements(&self, id: i32) -> Vec<(String, i32)> {
        sqlx::query_as("select reason, delta from catalog.stock_movements where product_id = $1 order by id")
            .bind(id)
            .fetch_all(&self.db)
            .await
            .unwrap()
    }

    /// Checks that the ledger, replayed, gives the stock of every product.
    pub(crate) async fn assert_ledger_adds_up(&self) {
        let wrong: Vec<(i32, i32, i64)> = sqlx::query_as(
            "select p.id, p.stock, coalesce(sum(m.delta), 0)
             from catalog.products p left join catalog.stock_movements m on m.product_id = p.id
             group by p.id having p.stock <> coalesce(sum(m.delta), 0)",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert!(wrong.is_empty(), "stock is not what the ledger says: {wrong:?}");
    }
}

/// A migrated database.
pub(crate) async fn database() -> (TestDatabase, PgPool) {
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

/// A product to make, of which only the name matters.
pub(crate) fn product(name: &str) -> CreateProductRequest {
    CreateProductRequest { name: name.to_owned(), price_minor: 100, ..Default::default() }
}

/// Changes to a product: none yet.
pub(crate) fn changes(id: i32) -> UpdateProductRequest {
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

/// Why a call was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, Status>) -> (Code, String) {
    let refused = outcome.unwrap_err();
    (refused.code(), status::reason(&refused))
}

/// Checks that a call was refused for these fields.
#[track_caller]
pub(crate) fn assert_invalid<T: std::fmt::Debug>(outcome: Result<T, Status>, fields: &[&str]) {
    let refused = outcome.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    let mut found: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    found.dedup();
    assert_eq!(found, fields);
}

/// Checks that a call was refused for this reason and field.
#[track_caller]
pub(crate) fn assert_refused_field<T: std::fmt::Debug>(
    outcome: Result<T, Status>,
    reason: &str,
    field: &str,
) {
    assert_eq!(status::reason(outcome.as_ref().unwrap_err()), reason, "{outcome:?}");
    assert_invalid(outcome, &[field]);
}
