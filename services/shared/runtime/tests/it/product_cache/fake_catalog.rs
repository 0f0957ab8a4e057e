//! A fake catalog, whose stream of changes can be frozen, delayed and cut.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bodega_proto::catalog::v1::{
    catalog_service_server::{CatalogService, CatalogServiceServer},
    change_service_server::{ChangeService, ChangeServiceServer},
    *,
};
use bodega_runtime::transport::Transport;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::sleep,
};
use tonic::{Request, Response, Status, Streaming, service::Routes};

type Responses = Pin<Box<dyn Stream<Item = Result<WatchChangesResponse, Status>> + Send>>;

/// How the stream of changes behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Changes are sent at once, and before the pong of a later ping.
    Healthy,
    /// Changes are only sent for a ping.
    Silent,
    /// Nothing is sent.
    Frozen,
    /// Each response is sent after this time.
    Delayed(Duration),
    /// Streams end, and new ones are rejected.
    Cut,
}

/// Counts its calls.
#[derive(Clone)]
pub(crate) struct FakeCatalog(Arc<Inner>);

struct Inner {
    products: Mutex<BTreeMap<i32, Product>>,
    /// Changes since the start; watchers remember how many they have sent.
    changes: Mutex<Vec<WatchChangesResponse>>,
    changed: broadcast::Sender<()>,
    mode: watch::Sender<Mode>,
    calls: AtomicUsize,
    pings: AtomicUsize,
    applied: Mutex<u64>,
    /// Delay of reads, after the products were read.
    delay: Mutex<Duration>,
}

impl FakeCatalog {
    /// Has products 1 to 100 with a variant and 100 units in stock.
    pub(crate) fn new() -> Self {
        let products = (1..=100).map(|id| {
            let product = Product {
                id,
                name: format!("Product {id}"),
                price_minor: 100,
                currency: "USD".to_owned(),
                stock: 100,
                version: 1,
                variants: vec![Variant { id, ..Variant::default() }],
                ..Product::default()
            };
            (id, product)
        });
        Self(Arc::new(Inner {
            products: Mutex::new(products.collect()),
            changes: Mutex::default(),
            changed: broadcast::Sender::new(16),
            mode: watch::Sender::new(Mode::Healthy),
            calls: AtomicUsize::new(0),
            pings: AtomicUsize::new(0),
            applied: Mutex::default(),
            delay: Mutex::default(),
        }))
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport::unauthenticated(
            Routes::new(CatalogServiceServer::new(self.clone()))
                .add_service(ChangeServiceServer::new(self.clone())),
        )
    }

    /// Returns the number of calls since this method was last called.
    pub(crate) fn take_calls(&self) -> usize {
        self.0.calls.swap(0, SeqCst)
    }

    pub(crate) fn pings(&self) -> usize {
        self.0.pings.load(SeqCst)
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.0.mode.send_replace(mode);
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        *self.0.delay.lock().unwrap() = delay;
    }

    /// Waits up to 30 seconds until a watcher has confirmed all changes.
    pub(crate) async fn applied(&self) {
        let sequence = self.0.changes.lock().unwrap().len() as u64;
        let started = std::time::Instant::now();
        while *self.0.applied.lock().unwrap() < sequence {
            assert!(started.elapsed() < Duration::from_secs(30), "no watcher has confirmed the changes");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sets a price. Returns the new version.
    pub(crate) fn set_price(&self, id: i32, price_minor: i64) -> i64 {
        self.change(id, true, |product| product.price_minor = price_minor)
    }

    /// Sets the stock, as an order does. Returns the new version.
    pub(crate) fn set_stock(&self, id: i32, stock: i32) -> i64 {
        self.change(id, false, |product| product.stock = stock)
    }

    fn change(&self, id: i32, details: bool, change: impl FnOnce(&mut Product)) -> i64 {
        let mut products = self.0.products.lock().unwrap();
        let product = products.get_mut(&id).unwrap();
        let was_available = product.stock > 0;
        change(product);
        product.version += 1;
        let details_version = if details { product.version } else { 1 };
        let (version, stock) = (product.version, product.stock);
        self.publish(WatchChangesResponse {
            products: vec![ProductChange { product_id: id, version, details_version, stock }],
            lists_changed: details,
            availability_changed: was_available != (stock > 0),
            ..WatchChangesResponse::default()
        });
        version
    }

    /// Renames all products, as the change of a category does.
    pub(crate) fn rename_all(&self, name: &str) {
        for product in self.0.products.lock().unwrap().values_mut() {
            name.clone_into(&mut product.name);
            product.version += 1;
        }
        self.publish(WatchChangesResponse { everything_changed: true, ..WatchChangesResponse::default() });
    }

    fn publish(&self, change: WatchChangesResponse) {
        self.0.changes.lock().unwrap().push(change);
        let _ = self.0.changed.send(());
    }

    async fn read<T>(&self, read: impl FnOnce(&BTreeMap<i32, Product>) -> T) -> T {
        self.0.calls.fetch_add(1, SeqCst);
        let read = read(&self.0.products.lock().unwrap());
        let delay = *self.0.delay.lock().unwrap();
        sleep(delay).await;
        read
    }

    async fn serve(
        self,
        mut requests: Streaming<WatchChangesRequest>,
        responses: mpsc::Sender<Result<WatchChangesResponse, Status>>,
    ) -> Option<()> {
        let mut mode = self.0.mode.subscribe();
        let mut changed = self.0.changed.subscribe();
        let mut sent = self.0.changes.lock().unwrap().len();
        loop {
            let current = *mode.borrow_and_update();
            let mut pong = 0;
            tokio::select! {
                _ = mode.changed() => {}
                request = requests.message(), if current != Mode::Frozen => {
                    let request = request.ok()??;
                    let mut applied = self.0.applied.lock().unwrap();
                    *applied = request.applied.max(*applied);
                    self.0.pings.fetch_add(usize::from(request.ping > 0), SeqCst);
                    pong = request.ping;
                }
                _ = changed.recv() => {}
            }
            match *mode.borrow() {
                Mode::Cut => return None,
                Mode::Frozen => continue,
                Mode::Silent if pong == 0 => continue,
                Mode::Healthy | Mode::Silent | Mode::Delayed(_) => {}
            }
            let changes = self.0.changes.lock().unwrap()[sent..].to_vec();
            sent += changes.len();
            let mut response = WatchChangesResponse { pong, sequence: sent as u64, ..Default::default() };
            for change in &changes {
                response.products.extend_from_slice(&change.products);
                response.lists_changed |= change.lists_changed;
                response.availability_changed |= change.availability_changed;
                response.everything_changed |= change.everything_changed;
            }
            if pong == 0 && changes.is_empty() {
                continue;
            }
            if let Mode::Delayed(delay) = current {
                let responses = responses.clone();
                tokio::spawn(async move {
                    sleep(delay).await;
                    let _ = responses.send(Ok(response)).await;
                });
            } else {
                responses.send(Ok(response)).await.ok()?;
            }
        }
    }
}

#[tonic::async_trait]
impl ChangeService for FakeCatalog {
    type WatchChangesStream = Responses;

    async fn watch_changes(
        &self,
        request: Request<Streaming<WatchChangesRequest>>,
    ) -> Result<Response<Responses>, Status> {
        if *self.0.mode.borrow() == Mode::Cut {
            return Err(Status::unavailable("cut"));
        }
        let (sender, mut receiver) = mpsc::channel(64);
        tokio::spawn(self.clone().serve(request.into_inner(), sender));
        Ok(Response::new(stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()))
    }
}

/// Implements the methods that a cache does not call, with an error.
macro_rules! serve_reads_of_products {
    ($($rpc:ident($request:ty) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl CatalogService for FakeCatalog {
            async fn get_product(
                &self,
                request: Request<GetProductRequest>,
            ) -> Result<Response<GetProductResponse>, Status> {
                let id = request.get_ref().id;
                let product = self.read(|products| products.get(&id).cloned()).await;
                let product = product.ok_or_else(|| Status::not_found("product not found"))?;
                Ok(Response::new(GetProductResponse { product: Some(product) }))
            }

            async fn batch_get_products(
                &self,
                request: Request<BatchGetProductsRequest>,
            ) -> Result<Response<BatchGetProductsResponse>, Status> {
                let ids = request.into_inner().ids;
                let found = |products: &BTreeMap<i32, Product>| {
                    ids.iter().filter_map(|id| products.get(id).cloned()).collect()
                };
                Ok(Response::new(BatchGetProductsResponse { products: self.read(found).await }))
            }

            /// Lists the products in ascending order; supports `limit`, `in_stock` and `omit_variants`.
            async fn list_products(
                &self,
                request: Request<ListProductsRequest>,
            ) -> Result<Response<ListProductsResponse>, Status> {
                let ListProductsRequest { limit, in_stock, omit_variants, .. } = request.into_inner();
                let listed = |products: &BTreeMap<i32, Product>| {
                    let matching = products
                        .values()
                        .filter(|product| in_stock.is_none_or(|in_stock| in_stock == (product.stock > 0)));
                    matching.take(usize::try_from(limit).unwrap()).cloned().collect()
                };
                let mut products: Vec<Product> = self.read(listed).await;
                if omit_variants {
                    products.iter_mut().for_each(|product| product.variants.clear());
                }
                Ok(Response::new(ListProductsResponse { products, next_cursor: "next".to_owned() }))
            }

            $(async fn $rpc(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented(stringify!($rpc)))
            })*
        }
    };
}

serve_reads_of_products! {
    list_categories(ListCategoriesRequest) -> ListCategoriesResponse;
    get_category(GetCategoryRequest) -> GetCategoryResponse;
    create_category(CreateCategoryRequest) -> CreateCategoryResponse;
    update_category(UpdateCategoryRequest) -> UpdateCategoryResponse;
    delete_category(DeleteCategoryRequest) -> DeleteCategoryResponse;
    list_tags(ListTagsRequest) -> ListTagsResponse;
    get_tag(GetTagRequest) -> GetTagResponse;
    create_tag(CreateTagRequest) -> CreateTagResponse;
    update_tag(UpdateTagRequest) -> UpdateTagResponse;
    delete_tag(DeleteTagRequest) -> DeleteTagResponse;
    create_product(CreateProductRequest) -> CreateProductResponse;
    update_product(UpdateProductRequest) -> UpdateProductResponse;
    delete_product(DeleteProductRequest) -> DeleteProductResponse;
    add_product_images(Streaming<AddProductImagesRequest>) -> AddProductImagesResponse;
    remove_product_image(RemoveProductImageRequest) -> RemoveProductImageResponse;
}
