//! All routes and their middleware.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router, middleware::from_fn_with_state, routing::get};
use http::{HeaderValue, Method, StatusCode, header};
use tower::ServiceBuilder;
use tower_http::cors::{AllowOrigin, Any as AnyOrigin, CorsLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        account, admin_audit, admin_mails, admin_orders, admin_payments, api_keys, auth, avatar, cart,
        categories_and_tags::{self, Kind},
        checkout, discounts, docs, media, operations, orders, payments, product_images, products, profile,
        recovery, settings, shipping_zones, users, webhooks,
    },
    app::App,
    body::{BodyReader, IncompleteBodies},
    config::Settings,
    connections::Connections,
    extract::ORDER_TOKEN,
    legacy,
    load_shed::{ConcurrencyLimit, ConcurrencyLimits},
    middleware::{self, Group, RequestBody},
    openapi::{self, alias, tags_documentation},
    problem::{self, Problem},
    rejection_pace::{self, RejectionPace},
};

/// How long a browser may cache the response to a preflight request.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// Returns the OpenAPI document of all routes.
pub fn document() -> OpenApi {
    let mut document = OpenApiRouter::<App>::with_openapi(openapi::base())
        .merge(passwords())
        .merge(sessions())
        .merge(identity())
        .merge(catalog())
        .merge(cart())
        .merge(orders())
        .merge(payments())
        .merge(uploads())
        .merge(webhooks())
        .merge(operations())
        .into_openapi();
    openapi::complete(&mut document);
    document
}

/// Routes of identity that hash passwords: a flood of logins must not affect others.
fn passwords() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(recovery::forgot_password))
        .routes(routes!(recovery::reset_password))
        .routes(routes!(recovery::verify_email))
        .routes(routes!(recovery::resend_verification))
        .routes(routes!(recovery::undo_email_change))
        .routes(routes!(profile::change_password))
        .routes(routes!(auth::second_factor::enroll))
        .routes(routes!(auth::second_factor::confirm))
        .routes(routes!(auth::second_factor::disable))
        .routes(alias("/auth/signup", routes!(auth::register)))
        .routes(alias("/auth/register", routes!(auth::register)))
        .routes(alias("/auth/login", routes!(auth::login)))
}

/// Routes of identity that keep users signed in, or end sessions.
fn sessions() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::logout_all))
        .routes(routes!(auth::sessions))
        .routes(routes!(auth::end_session))
        .routes(routes!(auth::second_factor::show, auth::second_factor::verify))
        .routes(routes!(operations::keys))
        .routes(alias("/auth/logout", routes!(auth::logout)))
}

/// Other routes that call identity.
fn identity() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(profile::show, profile::change, profile::replace))
        .routes(routes!(users::list))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(admin_audit::list))
        .routes(routes!(users::send_password_reset))
        .routes(routes!(admin_mails::list))
        .routes(routes!(admin_mails::resend))
}

/// Routes that call catalog.
fn catalog() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(categories_and_tags())
        .routes(routes!(products::list, products::create))
        .routes(routes!(products::show, products::replace, products::change, products::delete))
        .routes(routes!(products::variants::replace))
        .routes(routes!(products::variants::change))
        .routes(routes!(product_images::remove))
        .routes(routes!(legacy::products::list, legacy::products::create))
        .routes(routes!(legacy::products::show, legacy::products::change))
        .routes(alias("/products/{id}", routes!(products::delete)))
}

fn categories_and_tags() -> OpenApiRouter<App> {
    let routes = || {
        [
            routes!(categories_and_tags::list, categories_and_tags::create),
            routes!(categories_and_tags::show, categories_and_tags::rename, categories_and_tags::delete),
        ]
    };
    let categories = routes().into_iter().fold(OpenApiRouter::new(), OpenApiRouter::routes);
    let tags = routes().map(tags_documentation).into_iter().fold(OpenApiRouter::new(), OpenApiRouter::routes);
    categories.layer(Extension(Kind::Category)).merge(tags.layer(Extension(Kind::Tag)))
}

/// Routes that call cart.
fn cart() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(cart::show, cart::clear))
        .routes(routes!(cart::add))
        .routes(routes!(cart::remove))
        .routes(routes!(cart::set_item, cart::remove_item))
        .routes(routes!(legacy::cart::show, legacy::cart::add))
        .routes(routes!(legacy::cart::set_item, legacy::cart::remove_item))
        .routes(alias("/cart/add", routes!(cart::add)))
        .routes(alias("/cart/remove", routes!(cart::remove)))
}

/// Routes that call order.
fn orders() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(orders::list, orders::place))
        .routes(routes!(checkout::quote))
        .routes(routes!(orders::show, orders::change_status))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::claim))
        .routes(routes!(orders::shipments::create))
        .routes(routes!(admin_orders::list))
        .routes(routes!(admin_orders::delete_contact))
        .routes(routes!(settings::show, settings::replace))
        .routes(routes!(settings::list_tax_rates, settings::replace_tax_rates))
        .routes(routes!(shipping_zones::list, shipping_zones::create))
        .routes(routes!(shipping_zones::show, shipping_zones::replace, shipping_zones::delete))
        .routes(routes!(discounts::list, discounts::create))
        .routes(routes!(discounts::show, discounts::replace, discounts::delete))
        .routes(routes!(legacy::orders::place))
        .routes(routes!(legacy::orders::show))
        .routes(routes!(legacy::orders::list))
        .routes(alias("/orders", routes!(orders::place)))
        .routes(alias("/orders/{id}", routes!(orders::change_status)))
}

/// Routes of order that wait for a payment provider: a slow provider must not keep orders from being placed.
fn payments() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(payments::create_intent))
        .routes(routes!(orders::refunds::create))
        .routes(routes!(admin_payments::list))
        .routes(routes!(admin_payments::resolve))
}

/// Routes that receive files, with a longer timeout and a larger body limit.
fn uploads() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(product_images::add)).routes(routes!(avatar::set, avatar::remove))
}

/// Routes for payment providers, without access tokens.
fn webhooks() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(webhooks::stripe))
}

/// Routes for operators, without access tokens and without a concurrency limit.
fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(operations::live))
        .routes(routes!(operations::ready))
        .routes(routes!(operations::status))
}

/// Builds the router of the gateway; `upload_limit` is the concurrency limit of uploads.
pub(crate) fn router(app: App, upload_limit: ConcurrencyLimit) -> Router {
    let settings = app.settings();
    let incomplete = IncompleteBodies::default();
    let read =
        |limit| RequestBody::Read(BodyReader::new(limit, settings.request_timeout, incomplete.clone()));
    let group = |timeout, body, limits, users| Group { timeout, body, limits, users };
    let with_limits = |routes, name, body_limit, users| {
        let limits = ConcurrencyLimits::new(name, settings.max_requests, settings.request_timeout);
        bounded(routes, group(settings.request_timeout, read(body_limit), Some(limits), users))
    };
    let for_users = |routes: OpenApiRouter<App>, name| {
        with_limits(Router::from(routes), name, settings.body_limit, Some(app.clone()))
    };
    let media = Router::new().route("/media/{*key}", get(media::show));
    let others = Router::from(operations())
        .merge(docs::routes(&document()))
        .merge(account::routes())
        .fallback(not_found);

    let delay_rejections = from_fn_with_state(RejectionPace::new(), rejection_pace::delay_rejections);
    for_users(passwords(), "passwords")
        .layer(delay_rejections)
        .merge(for_users(sessions(), "sessions"))
        .merge(for_users(identity(), "identity"))
        .merge(for_users(catalog(), "catalog"))
        .merge(for_users(cart(), "cart"))
        .merge(for_users(orders(), "orders"))
        .merge(for_users(payments(), "payments"))
        .merge(with_limits(Router::from(webhooks()), "webhooks", webhooks::EVENT_LIMIT, None))
        .merge(with_limits(media, "media", settings.body_limit, None))
        .merge(bounded(
            Router::from(uploads()),
            group(
                settings.upload_timeout,
                RequestBody::Streamed { limit: settings.upload_limit, uploads: Connections::new(usize::MAX) },
                Some(upload_limit.into()),
                Some(app.clone()),
            ),
        ))
        .merge(bounded(others, group(settings.request_timeout, read(settings.body_limit), None, None)))
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(settings.access_log, middleware::record))
                .layer(cors(settings)),
        )
        .with_state(app)
}

/// Adds the middleware of a group of routes.
fn bounded(routes: Router<App>, group: Group) -> Router<App> {
    let process = from_fn_with_state(Arc::new(group), middleware::process);
    routes.method_not_allowed_fallback(method_not_allowed).layer(process)
}

async fn not_found() -> Problem {
    Problem::no_such_route()
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the path does not support this method",
    )
}

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
            header::HeaderName::from_static(ORDER_TOKEN),
            header::HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            problem::RATE_LIMIT,
            problem::RATE_LIMIT_POLICY,
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
