//! Every route, and what they pass.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    response::IntoResponse as _,
    routing::get,
};
use http::{HeaderValue, Method, StatusCode, header};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, Any as AnyOrigin, CorsLayer},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        admin_orders, auth, avatar, cart, categories, docs, media, operations, orders, product_images,
        products, profile, tags, users, webhooks,
    },
    app::App,
    config::Settings,
    legacy, middleware, openapi,
    overload::{self, Bounds, Places},
    problem::Problem,
};

/// How long a browser may remember what a preflight told it.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// What the routes say of themselves.
pub(crate) fn document() -> OpenApi {
    OpenApiRouter::<App>::with_openapi(openapi::base())
        .merge(accounts())
        .merge(goods())
        .merge(carts())
        .merge(orders())
        .merge(payments())
        .merge(uploads())
        .merge(webhooks())
        .merge(operations())
        .into_openapi()
}

/// Those that identity answers.
fn accounts() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // /api/auth
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::logout_all))
        .routes(routes!(auth::sessions))
        .routes(routes!(auth::end_session))
        // /api/users
        .routes(routes!(profile::show, profile::change, profile::replace))
        .routes(routes!(profile::change_password))
        .routes(routes!(users::list))
        .routes(routes!(users::show, users::change, users::delete))
        // At the root
        .routes(routes!(legacy::short_forms::signup))
        .routes(routes!(legacy::short_forms::register))
        .routes(routes!(legacy::short_forms::login))
        .routes(routes!(legacy::short_forms::logout))
}

/// Those that catalog answers.
fn goods() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // /api/categories
        .routes(routes!(categories::list, categories::create))
        .routes(routes!(categories::show, categories::rename, categories::delete))
        // /api/tags
        .routes(routes!(tags::list, tags::create))
        .routes(routes!(tags::show, tags::rename, tags::delete))
        // /api/products
        .routes(routes!(products::list, products::create))
        .routes(routes!(products::show, products::replace, products::change, products::delete))
        .routes(routes!(product_images::remove))
        // At the root
        .routes(routes!(legacy::products::list, legacy::products::create))
        .routes(routes!(legacy::products::show, legacy::products::change, legacy::products::delete))
}

/// Those that cart answers.
fn carts() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // /api/cart
        .routes(routes!(cart::show, cart::clear))
        .routes(routes!(cart::add))
        .routes(routes!(cart::remove))
        .routes(routes!(cart::set_item, cart::remove_item))
        // At the root
        .routes(routes!(legacy::cart::show, legacy::cart::add))
        .routes(routes!(legacy::cart::set_item, legacy::cart::remove_item))
        .routes(routes!(legacy::short_forms::add_to_cart))
        .routes(routes!(legacy::short_forms::remove_from_cart))
}

/// Those that order answers.
fn orders() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // /api/orders
        .routes(routes!(orders::list, orders::place))
        .routes(routes!(orders::show, orders::advance))
        .routes(routes!(orders::cancel))
        .routes(routes!(admin_orders::list))
        // At the root
        .routes(routes!(legacy::orders::place))
        .routes(routes!(legacy::orders::show))
        .routes(routes!(legacy::orders::list, legacy::short_forms::place_order))
        .routes(routes!(legacy::short_forms::advance_order))
}

/// Those that order answers once a payment provider has: one that hangs must not keep orders from being placed.
fn payments() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(orders::pay))
}

/// Those that take files: they may take longer, and are larger.
fn uploads() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(product_images::add)).routes(routes!(avatar::set, avatar::remove))
}

/// Those for callers who have no account: an access token is not looked at.
fn webhooks() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(webhooks::stripe))
}

/// Those for operators, who must be answered however much there is to do: an access token is not looked at.
fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(operations::live))
        .routes(routes!(operations::ready))
        .routes(routes!(operations::keys))
}

/// The whole gateway, where uploads take these places.
pub(crate) fn router(app: App, upload_places: Places) -> Router {
    let settings = app.settings();
    let authenticate = from_fn_with_state(app.clone(), middleware::authenticate);
    let everyday = |routes: Router<App>, name, body_limit| {
        let bounds = Bounds::new(name, settings.max_requests);
        bounded(routes, settings.request_timeout, body_limit, Some(bounds))
    };
    let shopping = |routes: OpenApiRouter<App>, name| {
        everyday(Router::from(routes).layer(authenticate.clone()), name, settings.body_limit)
    };
    let uploads = Router::from(uploads()).layer(authenticate.clone());
    let media = Router::new().route("/media/{*key}", get(media::show));
    let others = Router::from(operations()).merge(docs::routes(&openapi::document())).fallback(not_found);

    shopping(accounts(), "accounts")
        .merge(shopping(goods(), "goods"))
        .merge(shopping(carts(), "carts"))
        .merge(shopping(orders(), "orders"))
        .merge(shopping(payments(), "payments"))
        .merge(everyday(Router::from(webhooks()), "webhooks", webhooks::EVENT_LIMIT))
        .merge(everyday(media, "media", settings.body_limit))
        .merge(bounded(uploads, settings.upload_timeout, settings.upload_limit, Some(upload_places.into())))
        .merge(bounded(others, settings.request_timeout, settings.body_limit, None))
        .layer(
            ServiceBuilder::new()
                .layer(from_fn(middleware::security_headers))
                .layer(from_fn(middleware::measure))
                .layer(CompressionLayer::new().gzip(true))
                .layer(cors(settings)),
        )
        .with_state(app)
}

/// Routes that have so much time to answer, take so many bytes, and work on no more requests than the bounds say.
fn bounded(routes: Router<App>, time: Duration, body_limit: usize, bounds: Option<Bounds>) -> Router<App> {
    let mut routes = routes.method_not_allowed_fallback(method_not_allowed).layer(
        ServiceBuilder::new()
            .layer(from_fn(middleware::trace))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(DefaultBodyLimit::max(body_limit)),
    );
    if let Some(bounds) = bounds {
        routes = routes.layer(from_fn_with_state(bounds, overload::shed));
    }
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(time, middleware::context))
            .layer(from_fn(middleware::linger)),
    )
}

async fn not_found() -> Problem {
    Problem::no_such_route()
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not know this method")
}

fn panicked(_: Box<dyn Any + Send>) -> axum::response::Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}

/// Which pages of other origins may call.
fn cors(settings: &Settings) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("x-cart-token"),
            header::HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::HeaderName::from_static("x-cart-token"),
            header::HeaderName::from_static("x-request-id"),
        ])
        .max_age(PREFLIGHT_AGE);
    if settings.cors_origins.iter().any(|origin| origin == HeaderValue::from_static("*")) {
        layer.allow_origin(AnyOrigin)
    } else {
        layer.allow_origin(AllowOrigin::list(settings.cors_origins.clone()))
    }
}
