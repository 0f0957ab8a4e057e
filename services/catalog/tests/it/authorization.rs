//! Who may call: anyone can read, admins can write, and every call needs the service token.

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
    rate_limit::RateLimits,
    server::AuthLayer,
    transport::Transport,
};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, service::Routes};

use crate::test_app::{Client, TestApp, database, product, rejection, update_request};

/// Calls every RPC that writes, and returns how each is rejected.
async fn writes(mut client: Client) -> Vec<(Code, String)> {
    vec![
        rejection(client.create_category(CreateCategoryRequest::default()).await),
        rejection(client.update_category(UpdateCategoryRequest::default()).await),
        rejection(client.delete_category(DeleteCategoryRequest::default()).await),
        rejection(client.create_tag(CreateTagRequest::default()).await),
        rejection(client.update_tag(UpdateTagRequest::default()).await),
        rejection(client.delete_tag(DeleteTagRequest::default()).await),
        rejection(client.create_product(product("Mug")).await),
        rejection(client.update_product(update_request(1)).await),
        rejection(client.delete_product(DeleteProductRequest::default()).await),
        // Rejected without waiting for the first message.
        rejection(client.add_product_images(stream::pending::<AddProductImagesRequest>()).await),
        rejection(client.remove_product_image(RemoveProductImageRequest::default()).await),
    ]
}

#[tokio::test]
async fn only_admins_can_write() {
    let app = TestApp::start().await;
    for rejected in writes(app.client_of(None)).await {
        assert_eq!(rejected, (Code::Unauthenticated, "unauthenticated".to_owned()));
    }
    for rejected in writes(app.client_of(Some(Role::User))).await {
        assert_eq!(rejected, (Code::PermissionDenied, "admin_only".to_owned()));
    }
    app.create(product("Mug")).await;
}

#[tokio::test]
async fn rejects_calls_without_the_service_token() {
    let (_database, db) = database().await;
    let shutdown = CancellationToken::new();
    let media = Media::local(Path::new("/unused"));
    let app =
        bodega_catalog::start(db, "USD".parse().unwrap(), media, None, RateLimits::On, shutdown.clone())
            .await
            .unwrap();
    let service_token = ServiceToken::random();
    // No call has an access token, so the keys are never fetched.
    let verifier = Verifier::new(Transport::unauthenticated(Routes::default()));
    let auth = AuthLayer { service_token: service_token.clone(), verifier };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { app.serve(&auth, listener).await });

    let other_process = Transport::remote("catalog", uri.parse().unwrap(), &ServiceToken::random());
    let required = (Code::Unauthenticated, "service_token_required".to_owned());
    let categories = ListCategoriesRequest::default();
    let outcome = CatalogServiceClient::new(other_process.clone()).list_categories(categories.clone()).await;
    assert_eq!(rejection(outcome), required);
    let release = ReleaseRequest { order_id: uuid::Uuid::now_v7().to_string() };
    let outcome = StockServiceClient::new(other_process).release(release.clone()).await;
    assert_eq!(rejection(outcome), required);

    let service = Transport::remote("catalog", uri.parse().unwrap(), &service_token);
    CatalogServiceClient::new(service.clone()).list_categories(categories).await.unwrap();
    StockServiceClient::new(service).release(release).await.unwrap();

    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
