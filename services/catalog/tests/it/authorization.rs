//! Who may call: shoppers read, admins write, and only the store's own processes come in at all.

use std::path::Path;

use bodega_media::Media;
use bodega_proto::catalog::v1::{
    AddProductImagesRequest, CreateCategoryRequest, CreateTagRequest, DeleteCategoryRequest,
    DeleteProductRequest, DeleteTagRequest, ListCategoriesRequest, ReleaseRequest, RemoveProductImageRequest,
    UpdateCategoryRequest, UpdateTagRequest, catalog_service_client::CatalogServiceClient,
    stock_service_client::StockServiceClient,
};
use bodega_runtime::{
    auth::{Role, ServiceToken, Verifier},
    server::AuthLayer,
    transport::Transport,
};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, service::Routes};

use crate::test_catalog::{Client, Shop, changes, database, product, refusal};

/// What every write is refused with.
async fn writes(mut client: Client) -> Vec<(Code, String)> {
    vec![
        refusal(client.create_category(CreateCategoryRequest::default()).await),
        refusal(client.update_category(UpdateCategoryRequest::default()).await),
        refusal(client.delete_category(DeleteCategoryRequest::default()).await),
        refusal(client.create_tag(CreateTagRequest::default()).await),
        refusal(client.update_tag(UpdateTagRequest::default()).await),
        refusal(client.delete_tag(DeleteTagRequest::default()).await),
        refusal(client.create_product(product("Mug")).await),
        refusal(client.update_product(changes(1)).await),
        refusal(client.delete_product(DeleteProductRequest::default()).await),
        // Nobody waits for the first message of whoever may not send it.
        refusal(client.add_product_images(stream::pending::<AddProductImagesRequest>()).await),
        refusal(client.remove_product_image(RemoveProductImageRequest::default()).await),
    ]
}

#[tokio::test]
async fn only_admins_write() {
    let shop = Shop::open().await;
    for refused in writes(shop.acting_as(None)).await {
        assert_eq!(refused, (Code::Unauthenticated, "unauthenticated".to_owned()));
    }
    for refused in writes(shop.acting_as(Some(Role::User))).await {
        assert_eq!(refused, (Code::PermissionDenied, "admin_only".to_owned()));
    }
    shop.create(product("Mug")).await;
}

#[tokio::test]
async fn only_the_stores_own_processes_are_served() {
    let (_database, db) = database().await;
    let shutdown = CancellationToken::new();
    let media = Media::local(Path::new("/unused"));
    let service = bodega_catalog::start(db, "USD".parse().unwrap(), media, shutdown.clone()).await.unwrap();
    let ours = ServiceToken::random();
    // Nobody signs in here, so nobody is asked for keys.
    let verifier = Verifier::new(Transport::unauthenticated(Routes::default()));
    let guard = AuthLayer { service_token: ours.clone(), verifier };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { service.serve(&guard, listener).await });

    let stranger = Transport::remote(uri.parse().unwrap(), &ServiceToken::random());
    let required = (Code::Unauthenticated, "service_token_required".to_owned());
    let categories = ListCategoriesRequest::default();
    let outcome = CatalogServiceClient::new(stranger.clone()).list_categories(categories.clone()).await;
    assert_eq!(refusal(outcome), required);
    let release = ReleaseRequest { order_id: uuid::Uuid::now_v7().to_string() };
    let outcome = StockServiceClient::new(stranger).release(release.clone()).await;
    assert_eq!(refusal(outcome), required);

    let neighbour = Transport::remote(uri.parse().unwrap(), &ours);
    CatalogServiceClient::new(neighbour.clone()).list_categories(categories).await.unwrap();
    StockServiceClient::new(neighbour).release(release).await.unwrap();

    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
