//! The binary `bodega`, run with a data directory, and the binaries of the services.

use std::{
    env,
    path::{Path, PathBuf},
};

use serde_json::json;
use tokio::process::Command;

use crate::harness::{
    process::{self, Running},
    store::{Client, retry_while_unavailable},
};

/// A secret that processes accept.
pub(crate) const SECRET: &str = "7d0fKq2vXwLr5sTz8bYh3mNc6pGj9aEu";

/// `bodega` with this data directory, on free ports.
pub(crate) fn bodega(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
    command.args(arguments);
    command.env("BODEGA_DATA_DIR", data_dir);
    command.env("BODEGA_HTTP", "127.0.0.1:0").env("BODEGA_ADMIN_HTTP", "127.0.0.1:0");
    // As in the other tests: a loaded machine must not fail a test that is not about timeouts.
    command.env("BODEGA_REQUEST_TIMEOUT", "60").env("BODEGA_RATE_LIMITS", "off");
    command
}

/// The binary of a service or of the gateway, with a clean environment.
pub(crate) fn service(name: &str) -> Command {
    process::command(binary_dir().join(format!("bodega-{name}")))
}

/// The directory of the built binaries. They are built if they are missing.
pub(crate) fn binary_dir() -> PathBuf {
    let directory = env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let names = ["identity", "catalog", "cart", "order", "gateway"];
    if !names.iter().all(|name| directory.join(format!("bodega-{name}")).exists()) {
        let release = directory.ends_with("release").then_some("--release");
        let build = ["build", "--bins", "--workspace"].into_iter().chain(release);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(
            std::process::Command::new(env!("CARGO"))
                .args(build)
                .current_dir(root)
                .status()
                .unwrap()
                .success()
        );
    }
    directory
}

/// A running `bodega`.
pub(crate) struct RunningStore {
    pub(crate) process: Running,
    pub(crate) guest: Client,
    /// The line of the startup message about the admin.
    pub(crate) admin_line: String,
}

/// Starts `bodega`, and waits for its startup message.
pub(crate) async fn start_bodega(command: &mut Command) -> RunningStore {
    let mut process = Running::start(command);
    let line = process.line().await;
    let url = line.strip_prefix("The store is open at ").unwrap_or_else(|| panic!("{line}")).to_owned();
    assert_eq!(process.line().await, format!("  docs   {url}/docs"));
    let admin_line = process.line().await;
    RunningStore { process, guest: Client::at(&url), admin_line }
}

impl RunningStore {
    pub(crate) async fn admin(&self) -> Client {
        let output = self.admin_line.strip_prefix("  admin  ").unwrap();
        let (email, rest) = output.split_once(", password ").unwrap_or_else(|| panic!("{output}"));
        let password = rest.strip_suffix(" (shown only once)").unwrap();
        self.sign_in(email, password).await
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Client {
        let login = json!({"login": email, "password": password});
        let session =
            retry_while_unavailable(async || self.guest.post("/api/auth/login", login.clone()).await);
        self.guest.clone().signed_in(session.await.expect(200).json)
    }

    pub(crate) async fn product_count(&self) -> usize {
        let products = self.guest.get("/api/products?limit=100").await.expect(200).json;
        products["items"].as_array().unwrap().len()
    }
}

/// The standard output of a command that succeeds.
pub(crate) async fn stdout_of(command: &mut Command) -> String {
    let output = process::run(command).await;
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{out}\n{err}");
    out
}

/// The exit code and the one-line error of a command that fails.
pub(crate) async fn error_of(command: &mut Command) -> (i32, String) {
    let output = process::run(command.env("BODEGA_LOG", "off")).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    (output.status.code().unwrap(), error.trim_end().to_owned())
}
