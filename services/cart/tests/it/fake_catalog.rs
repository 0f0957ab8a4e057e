//! A fake catalog service, whose calls can be delayed or fail.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use bodega_proto::catalog::v1::{
    catalog_service_server::CatalogService, variant_service_server::VariantService, *,
};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

/// Has products 1 to 250 with a price of a hundred times the id and a stock of a million. Counts its calls.
#[derive(Clone)]
pub(crate) struct FakeCatalog(Arc<Inner>);

struct Inner {
    products: Mutex<BTreeMap<i32, Product>>,
    calls: AtomicUsize,
    down: AtomicBool,
    hold: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

/// A call whose response is delayed.
pub(crate) struct HeldCall {
    arrived: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl FakeCatalog {
    pub(crate) fn new() -> Self {
        let products = (1..=250).map(|id| {
            let product = Product {
                id,
                name: format!("Product {id}"),
                price_minor: i64::from(id) * 100,
                currency: "USD".to_owned(),
                stock: 1_000_000,
                images: vec![Image { id: id.into(), url: format!("/images/{id}.png"), ..Image::default() }],
                ..Product::default()
            };
            (id, product)
        });
        Self(Arc::new(Inner {
            products: Mutex::new(products.collect()),
            calls: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            hold: Mutex::new(None),
        }))
    }

    /// Returns the number of calls since this method was last called.
    pub(crate) fn take_calls(&self) -> usize {
        self.0.calls.swap(0, SeqCst)
    }

    /// Makes products the variants of the first of them, with these sizes.
    pub(crate) fn set_variants(&self, ids: &[i32], sizes: &[&str]) {
        let mut products = self.0.products.lock().unwrap();
        for (id, size) in ids.iter().zip(sizes) {
            let product = products.get_mut(id).unwrap();
            product.variant_count = i32::try_from(ids.len()).unwrap();
            product.variants = vec![Variant {
                id: *id,
                product_id: ids[0],
                sku: format!("SKU-{id}"),
                option_values: vec![(*size).to_owned()],
                ..Variant::default()
            }];
        }
    }

    pub(crate) fn edit(&self, id: i32, edit: impl FnOnce(&mut Product)) {
        edit(self.0.products.lock().unwrap().get_mut(&id).unwrap());
    }

    /// Deletes a product.
    pub(crate) fn delete(&self, id: i32) {
        self.0.products.lock().unwrap().remove(&id).unwrap();
    }

    /// Determines whether calls fail.
    pub(crate) fn set_down(&self, down: bool) {
        self.0.down.store(down, SeqCst);
    }

    /// Delays the next call until it is released.
    pub(crate) fn hold_next_call(&self) -> HeldCall {
        let (arrive, arrived) = oneshot::channel();
        let (release, released) = oneshot::channel();
        *self.0.hold.lock().unwrap() = Some((arrive, released));
        HeldCall { arrived, release }
    }

    async fn products(&self, request: BatchGetProductsRequest) -> Result<BatchGetProductsResponse, Status> {
        self.0.calls.fetch_add(1, SeqCst);
        if self.0.down.load(SeqCst) {
            return Err(Status::unavailable("the catalog is down"));
        }
        // The real catalog rejects such requests, too.
        if request.ids.len() > 200 || request.ids.iter().any(|id| *id < 1) {
            return Err(Status::invalid_argument("ids"));
        }
        let hold = self.0.hold.lock().unwrap().take();
        if let Some((arrive, released)) = hold {
            arrive.send(()).unwrap();
            released.await.unwrap();
        }
        let products = self.0.products.lock().unwrap();
        let found = products.values().filter(|product| request.ids.contains(&product.id));
        Ok(BatchGetProductsResponse { products: found.cloned().collect() })
    }
}

#[tonic::async_trait]
impl VariantService for FakeCatalog {
    async fn list_variants(
        &self,
        request: Request<ListVariantsRequest>,
    ) -> Result<Response<ListVariantsResponse>, Status> {
        self.0.calls.fetch_add(1, SeqCst);
        let product_id = request.get_ref().product_id;
        let products = self.0.products.lock().unwrap();
        let sold = products.values().filter(|product| !product.archived);
        let variants = sold.flat_map(|product| &product.variants);
        let variants = variants.filter(|variant| variant.product_id == product_id).cloned().collect();
        Ok(Response::new(ListVariantsResponse { option_names: vec!["Size".to_owned()], variants }))
    }

    async fn put_variants(
        &self,
        _: Request<PutVariantsRequest>,
    ) -> Result<Response<PutVariantsResponse>, Status> {
        Err(Status::unimplemented("put_variants"))
    }

    async fn update_variant(
        &self,
        _: Request<UpdateVariantRequest>,
    ) -> Result<Response<UpdateVariantResponse>, Status> {
        Err(Status::unimplemented("update_variant"))
    }
}

impl HeldCall {
    pub(crate) async fn arrived(&mut self) {
        (&mut self.arrived).await.unwrap();
    }

    pub(crate) fn release(self) {
        self.release.send(()).unwrap();
    }
}

/// Implements the methods that the cart service does not call, with an error.
macro_rules! serve_only_batch_get_products {
    ($($rpc:ident($request:ty) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl CatalogService for FakeCatalog {
            async fn batch_get_products(
                &self,
                request: Request<BatchGetProductsRequest>,
            ) -> Result<Response<BatchGetProductsResponse>, Status> {
                self.products(request.into_inner()).await.map(Response::new)
            }
            $(async fn $rpc(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented(stringify!($rpc)))
            })*
        }
    };
}

serve_only_batch_get_products! {
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
    list_products(ListProductsRequest) -> ListProductsResponse;
    get_product(GetProductRequest) -> GetProductResponse;
    create_product(CreateProductRequest) -> CreateProductResponse;
    update_product(UpdateProductRequest) -> UpdateProductResponse;
    delete_product(DeleteProductRequest) -> DeleteProductResponse;
    add_product_images(Streaming<AddProductImagesRequest>) -> AddProductImagesResponse;
    remove_product_image(RemoveProductImageRequest) -> RemoveProductImageResponse;
}
