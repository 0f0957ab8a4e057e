//! Identity: who somebody is, and what they may do.
//!
//! `register` and `login` begin a session and give its owner two tokens: an access token, a JWT that `signing`
//! makes and anybody can verify for a quarter of an hour, and a refresh token, good for one use, for the next pair
//! (`refresh`). A session ends once, by its owner (`profile`), by an admin (`manage`) or by a refresh token
//! that somebody else must have used; `revocations` tells every gateway within a second. An account may show a picture
//! (`avatar`); what none shows any more is deleted (`bodega_media::ImageRegistry`). `store` is the only module that speaks SQL.

mod account;
mod address;
mod app;
mod avatar;
mod config;
mod create_admin;
mod error;
mod grpc;
mod housekeeping;
mod login;
mod manage;
mod normal;
mod password;
mod profile;
mod refresh;
mod refresh_token;
mod register;
mod revocations;
mod signing;
mod store;

use std::{path::Path, sync::Arc};

use bodega_media::{ImageRegistry, Media};
use bodega_proto::identity::v1::{
    identity_service_server::IdentityServiceServer, token_service_server::TokenServiceServer,
};
use bodega_runtime::{
    auth::Verifier,
    process::Process,
    server::{AuthLayer, Service},
    transport::Transport,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use self::{
    app::App,
    grpc::{IdentityGrpc, TokenGrpc},
    password::Hasher,
    revocations::Revocations,
    signing::Signer,
};
pub use self::{
    config::{Config, SecretKey, Settings, TokenArgs},
    create_admin::{Admin, create_admin, has_admin},
};

/// Brings [`SCHEMA`] to the state this version needs.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema that is identity's own.
pub const SCHEMA: &str = "identity";

/// Where a process of its own keeps pictures, unless it is told otherwise.
const MEDIA_DIR: &str = ".bodega/media";

/// Serves as a process of its own, until the shutdown.
///
/// # Errors
/// When it cannot start: the database cannot be migrated, the storage of pictures is half configured, or
/// `JWT_SECRET_KEY` is not the former one.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let media_dir = config.media_dir.as_deref().unwrap_or(Path::new(MEDIA_DIR));
    let media = config.media.open(media_dir)?;
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let settings = Settings { access_ttl: config.tokens.access_ttl, ..Settings::new(config.jwt_secret_key) };
    let service = start(db, settings, media, process.shutdown).await?;
    let verifier = Verifier::new(Transport::unauthenticated(service.routes()));
    service.serve(&AuthLayer { service_token: process.service_token, verifier }, process.listener).await
}

/// Starts the service on a database that has been migrated; it serves nobody yet.
///
/// # Errors
/// When the database does not answer, or the secret is not the one its signing keys were sealed with.
pub async fn start(
    db: PgPool,
    settings: Settings,
    media: Media,
    shutdown: CancellationToken,
) -> anyhow::Result<Service> {
    let app = Arc::new(App {
        hasher: Hasher::new(&settings)?,
        signer: Signer::start(db.clone(), &settings.jwt_secret, settings.access_ttl).await?,
        revocations: Arc::new(Revocations::new(db.clone(), settings.access_ttl)),
        db: db.clone(),
        settings,
        images: ImageRegistry::new(db.clone(), SCHEMA, media),
    });
    let routes = Routes::new(IdentityServiceServer::new(IdentityGrpc { app: app.clone() }))
        .add_service(TokenServiceServer::new(TokenGrpc { app: app.clone(), shutdown: shutdown.clone() }));
    let service = Service::new("identity", routes, db, shutdown).await;
    service.spawn(app.revocations.clone().listen());
    service.spawn(app.images.clone().clean_up());
    service.spawn(housekeeping::run(app));
    Ok(service)
}
