//! The store in five processes: four services and the gateway.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Context as _;
use reqwest::StatusCode;
use serde::Deserialize;

use super::{
    Build, DataDir, Started, Target,
    api::{Api, Style},
    database::Database,
    process::{Process, command, free_address},
    standalone::{ACCESS_TTL, Standalone, seed},
};

/// How it is called in the results.
const NAME: &str = "five processes";

/// The services, in the order in which they depend on each other.
const SERVICES: [&str; 4] = ["identity", "catalog", "cart", "order"];

/// Programs to build.
pub(crate) const PROGRAMS: [&str; 5] =
    ["bodega-identity", "bodega-catalog", "bodega-cart", "bodega-order", "bodega-gateway"];

/// The name of the embedded database.
const DATABASE: &str = "bodega";

/// The secrets that `bodega` has generated.
#[derive(Deserialize)]
struct Secrets {
    jwt_secret_key: String,
    /// Passwords of the services' roles.
    database_passwords: serde_json::Map<String, serde_json::Value>,
}

impl Target {
    /// Starts the store in five processes, with `products` products.
    ///
    /// # Errors
    /// A program is not built, a process does not start, or the products are rejected.
    pub(crate) async fn services(build: &Build, products: usize) -> anyhow::Result<Self> {
        start(build, products).await.with_context(|| format!("cannot start the store in {NAME}"))
    }
}

async fn start(build: &Build, products: usize) -> anyhow::Result<Target> {
    let data = DataDir::new()?;
    // Creates schemas, roles and admin as for the store in one process, so that only the processes differ.
    drop(Standalone::start(build, &data, false).await?);
    seed(build, &data, products).await?;
    let secrets = fs::read(data.path().join("secrets.json")).context("cannot read the secrets")?;
    let secrets: Secrets = serde_json::from_slice(&secrets).context("invalid secrets")?;
    let database = Database::restart(&data, DATABASE).await?;

    let mut urls = Vec::new();
    for service in SERVICES {
        urls.push((format!("BODEGA_{}_URL", service.to_uppercase()), free_address()?));
    }
    let token = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    let prepare = |name: &str, address: &str| -> anyhow::Result<Command> {
        let mut command = command(program(build, name)?);
        command.current_dir(data.path()).env("BODEGA_LISTEN", address);
        command.env("BODEGA_ADMIN_HTTP", free_address()?).env("BODEGA_SERVICE_TOKEN", &token);
        command.env("JWT_SECRET_KEY", &secrets.jwt_secret_key).env("BODEGA_ACCESS_TTL", ACCESS_TTL);
        command.env("BODEGA_RATE_LIMITS", "off").env("BODEGA_MEDIA_DIR", data.path().join("media"));
        command.envs(urls.iter().map(|(name, address)| (name, format!("http://{address}"))));
        command.envs(build.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    };

    let mut servers = Vec::new();
    for (service, (_, address)) in SERVICES.iter().zip(&urls) {
        let password = secrets.database_passwords.get(*service).and_then(|password| password.as_str());
        let mut command = prepare(service, address)?;
        command.env("DATABASE_URL", database.url_of(&format!("bodega_{service}"), password));
        servers.push(Process::spawn(command, data.path().join(format!("{service}.log")))?);
    }
    let address = free_address()?;
    let mut gateway = Process::spawn(prepare("gateway", &address)?, data.path().join("gateway.log"))?;
    gateway.wait_until_ready(&format!("http://{address}/readyz")).await?;
    // Since then, a gateway is ready before the services are. Older builds have no `/status`.
    let is_available =
        |status: StatusCode, body: &str| status == 404 || body.starts_with(r#"{"status":"ok""#);
    gateway.wait_until(&format!("http://{address}/status"), is_available).await?;
    // Stopped first.
    servers.insert(0, gateway);
    let started = Started {
        name: NAME.to_owned(),
        api: Api::new(address, Style::Bodega)?,
        database_url: database.url.clone(),
        servers,
        database: Some(database),
        data,
    };
    Target::prepare(started, products).await
}

/// Returns the program of a service, which is in the directory of `bodega`.
fn program(build: &Build, name: &str) -> anyhow::Result<PathBuf> {
    let path = build.bodega.with_file_name(format!("bodega-{name}"));
    path.canonicalize().with_context(|| format!("{} is not built", path.display()))
}
