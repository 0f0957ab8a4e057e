//! The Express server in `peer`, with a Postgres server of its own.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use sqlx::postgres::PgConnectOptions;

use super::{
    DataDir, MAX_CREATED, Started, Target,
    api::{ADMIN_EMAIL, Api, PASSWORD, Style},
    database::Database,
    process::{self, Process, command, free_address},
};

/// How it is called in the results.
const NAME: &str = "Express";

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer");

impl Target {
    /// Starts the Express server, with `products` products.
    ///
    /// # Errors
    /// Node is not installed, its packages cannot be installed, or the server does not start.
    pub(crate) async fn express(products: usize) -> anyhow::Result<Self> {
        start(products).await.context("cannot start the Express server")
    }
}

async fn start(products: usize) -> anyhow::Result<Target> {
    ensure!(products <= MAX_CREATED, "it can have at most {MAX_CREATED} products");
    let mut version = command("node");
    version.arg("--version");
    process::run(version).await.context("Node 20 or newer is not installed")?;

    let data = DataDir::new()?;
    let directory = data.path().join("express");
    install(&directory).await?;
    let database = Database::start(&data).await?;
    let address = free_address()?;
    let (_, port) = address.split_once(':').context("an address has a port")?;
    let mut command = command("node");
    command.arg("server.js").current_dir(&directory).env("NODE_ENV", "production");
    command.env("PORT", port).env("JWT_SECRET", format!("{:032x}", rand::random::<u128>()));
    command.env("ADMIN_EMAIL", ADMIN_EMAIL).env("ADMIN_PASSWORD", PASSWORD);
    for (name, value) in connection(&database.url)? {
        command.env(name, value);
    }
    let mut server = Process::spawn(command, data.path().join("express.log"))?;
    server.wait_until_ready(&format!("http://{address}/readyz")).await?;
    let started = Started {
        name: NAME.to_owned(),
        api: Api::new(address, Style::Express)?,
        database_url: database.url.clone(),
        servers: vec![server],
        database: Some(database),
        data,
    };
    Target::prepare(started, products).await
}

/// Copies the sources, so that nothing is written to the repository, and installs their packages.
async fn install(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir(directory)?;
    for entry in fs::read_dir(SOURCES).with_context(|| format!("cannot read {SOURCES}"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            fs::copy(&path, directory.join(name))?;
        }
    }
    let mut npm = command("npm");
    npm.args(["ci", "--omit=dev", "--no-audit", "--no-fund"]).current_dir(directory);
    process::run(npm).await?;
    Ok(())
}

/// Returns the variables of the Postgres client; its URLs have no place for a Unix socket.
fn connection(url: &str) -> anyhow::Result<[(&'static str, String); 4]> {
    let options: PgConnectOptions = url.parse()?;
    let socket = options.get_socket().context("the server has no Unix socket")?;
    let password = url.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    let password = password.and_then(|(login, _)| login.split_once(':')).map_or("", |(_, password)| password);
    Ok([
        ("DB_HOST", socket.display().to_string()),
        ("DB_NAME", options.get_database().unwrap_or_default().to_owned()),
        ("DB_USER", options.get_username().to_owned()),
        // Hexadecimal, so it is not encoded in the URL.
        ("DB_PASSWORD", password.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_the_parts_of_the_url() {
        let variables = connection("postgres://owner:c0ffee@%2Ftmp%2Frun:5432/store").unwrap();
        let values: Vec<_> = variables.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["/tmp/run", "store", "owner", "c0ffee"]);
    }
}
