//! The identity service: users, sessions, and the keys that sign access tokens.
//!
//! `sessions` registers users, logs them in and issues their tokens: an access token, which is a JWT that is valid for
//! 15 minutes and that every process can verify, and a refresh token, which is exchanged once for the next pair. A
//! session ends on logout, by an admin (`admin`), with a new password (`profile`) or when an old refresh token is
//! reused; `sessions::revocations` streams ended sessions to every gateway within a second.
//!
//! Requests go from `grpc` to the use cases in `sessions`, `profile`, `avatars` and `admin`, which use `users`,
//! `passwords` and `signing`. `recovery` has what users do with tokens that were mailed to them. All SQL is in the `db` modules.

mod admin;
mod api_keys;
mod avatars;
mod cleanup;
mod config;
mod encryption;
mod error;
mod failed_logins;
mod grpc;
mod passwords;
mod profile;
mod recovery;
mod second_factor;
mod sessions;
mod signing;
mod users;

use std::{ffi::OsString, path::Path, process::ExitCode, sync::Arc};

use bodega_audit::{AuditApi, AuditLog};
use bodega_mail::{MailApi, Outbox};
use bodega_media::{ImageRegistry, Media};
use bodega_proto::{
    audit::v1::audit_service_server::AuditServiceServer,
    identity::v1::{
        contact_service_server::ContactServiceServer, erasure_service_server::ErasureServiceServer,
        identity_service_server::IdentityServiceServer, recovery_service_server::RecoveryServiceServer,
        token_service_server::TokenServiceServer,
    },
    mail::v1::mail_service_server::MailServiceServer,
};
use bodega_runtime::{
    auth::Verifier,
    database::Pool,
    listener::Listener,
    process::{self, Process},
    rate_limit::RateLimiter,
    server::{AuthLayer, Service},
    transport::Transport,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use self::{
    admin::{
        CreatedAdmin, ONE_TIME_PASSWORD_TTL, create_admin, has_admin, remove_second_factor, reset_password,
    },
    config::{Config, PageArgs, SecondFactorArgs, SecretKey, Settings, TokenArgs},
    failed_logins::record_failed_logins,
    signing::{RotatedKey, rotate_signing_key},
};
use self::{
    failed_logins::RateLimitedLogins,
    grpc::{ContactApi, ErasureApi, IdentityApi, RecoveryApi, TokenApi},
    passwords::Hasher,
    recovery::IdentityMails,
    second_factor::Codes,
    sessions::Revocations,
    signing::Signer,
};

/// The migrations of the schema [`SCHEMA`].
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema that the service owns.
pub const SCHEMA: &str = "identity";

/// The audit log of the service.
pub const AUDIT: AuditLog = AuditLog::new(SCHEMA);

/// The default of [`Config::media_dir`].
const MEDIA_DIR: &str = ".bodega/media";

/// Runs the service as its own process, with the arguments of its command line, of which the first is the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::main("bodega-identity", 7001, arguments, serve)
}

/// Runs the service as its own process until the shutdown.
///
/// # Errors
/// When the database cannot be migrated, the configuration of the image storage is incomplete, or `JWT_SECRET_KEY` is
/// not the one that encrypted the signing keys.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let media_dir = config.media_dir.as_deref().unwrap_or(Path::new(MEDIA_DIR));
    let media = config.media.open(media_dir)?;
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let settings = Settings {
        access_ttl: config.tokens.access_ttl,
        require_admin_second_factor: config.second_factor.require_admin_2fa,
        rate_limits: config.rate_limits.rate_limits,
        mail: config.mail.smtp_mailer()?,
        pages: config.pages,
        secondary_jwt_secret: config.secondary_jwt_secret_key,
        ..Settings::new(config.jwt_secret_key)
    };
    let service = start(db.clone(), settings, media, process.shutdown).await?.report_to(&process.health);
    let own = Transport::unauthenticated(service.routes());
    AUDIT.maintain(&service, &db, config.audit, own.clone());
    let verifier = Verifier::new(own);
    let auth = AuthLayer { service_token: process.service_token, verifier };
    service.serve(&auth, Listener::new(process.listener, process.tls)).await
}

/// Starts the service on a migrated database, without a listener.
///
/// # Errors
/// When the database fails, or the signing keys in it were encrypted under another secret.
pub async fn start(
    db: Pool,
    settings: Settings,
    media: Media,
    shutdown: CancellationToken,
) -> anyhow::Result<Service> {
    passwords::describe_metrics();
    let signer = Arc::new(Signer::start(db.clone(), &settings).await?);
    let revocations = Arc::new(Revocations::new(db.clone(), settings.access_ttl));
    let images = ImageRegistry::new(db.clone(), SCHEMA, avatars::media(&media));
    let refresh_ttl = settings.refresh_ttl;
    let rate_limiter = RateLimiter::new(db.clone(), SCHEMA, settings.rate_limits);
    let rate_limited_logins = Arc::<RateLimitedLogins>::default();
    let (mail, pages) = (settings.mail.clone(), settings.pages.clone());
    let outbox = Outbox::new(db.clone(), SCHEMA);
    let hasher = Hasher::new(&settings)?;
    let codes = Codes::new(&settings)?;
    if settings.secondary_jwt_secret.is_some() {
        codes.reencrypt(&db).await?;
    }
    let identity = IdentityApi {
        db: db.clone(),
        hasher: hasher.clone(),
        codes,
        settings,
        rate_limiter: rate_limiter.clone(),
        rate_limited_logins: rate_limited_logins.clone(),
        signer: signer.clone(),
        images: images.clone(),
        revocations: revocations.clone(),
    };
    let tokens = TokenApi {
        db: db.clone(),
        signer: signer.clone(),
        revocations: revocations.clone(),
        shutdown: shutdown.clone(),
    };
    let recovery = RecoveryApi {
        db: db.clone(),
        rate_limiter: rate_limiter.clone(),
        hasher: hasher.clone(),
        revocations: revocations.clone(),
        has_mailer: mail.is_some(),
    };
    let routes = Routes::new(IdentityServiceServer::new(identity))
        .add_service(TokenServiceServer::new(tokens))
        .add_service(RecoveryServiceServer::new(recovery))
        .add_service(ContactServiceServer::new(ContactApi { db: db.clone() }))
        .add_service(MailServiceServer::new(MailApi::new(outbox.clone(), mail.is_some())))
        .add_service(ErasureServiceServer::new(ErasureApi(db.clone())))
        .add_service(AuditServiceServer::new(AuditApi::new(db.clone(), AUDIT)));
    let service = Service::new("identity", routes, db.clone(), shutdown).await;
    service.spawn(revocations.follow_replicas());
    service.spawn(images.clean_up());
    service.spawn(rate_limiter.clean_up());
    service.spawn(cleanup::rotate_signing_keys(signer));
    service.spawn(cleanup::delete_old_recognized_clients(db.clone()));
    service.spawn(cleanup::delete_expired_tokens(db.clone()));
    service.spawn(outbox.clone().sample_backlog());
    service.spawn(outbox.clone().clean_up(mail.is_some()));
    if let Some(mailer) = mail {
        let public_url = mailer.public_url().clone();
        let page = |own: Option<String>, path| own.unwrap_or_else(|| public_url.join(path));
        let mails = IdentityMails {
            db: db.clone(),
            reset_url: page(pages.reset_url, "/account/reset-password"),
            verify_url: page(pages.verify_url, "/account/verify-email"),
            public_url: public_url.clone(),
        };
        service.spawn(outbox.deliver(mailer, mails));
    }
    service.spawn(cleanup::hide_imported_hashes(db.clone(), hasher));
    service.spawn(cleanup::delete_old_sessions(db.clone(), refresh_ttl));
    service.spawn(AUDIT.add_segments(db.clone()));
    service.spawn(failed_logins::record_past_hours(db.clone()));
    service.spawn(async move { rate_limited_logins.write_repeatedly(db).await });
    Ok(service)
}
