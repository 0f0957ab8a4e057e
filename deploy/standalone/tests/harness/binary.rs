//! The program `bodega`, run on a data directory.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use crate::harness::{
    process::{self, Running},
    store::Person,
};

/// `bodega` on this data directory, on any free ports.
pub(crate) fn bodega(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
    command.args(arguments);
    command.env("BODEGA_DATA_DIR", data_dir);
    command.env("BODEGA_HTTP", "127.0.0.1:0").env("BODEGA_ADMIN_HTTP", "127.0.0.1:0");
    command
}

/// A store that `bodega` has opened.
pub(crate) struct Open {
    pub(crate) process: Running,
    pub(crate) guest: Person,
    /// What was said of the admin.
    pub(crate) admin_line: String,
}

/// Opens a store, as far as the lines that it says so with.
pub(crate) async fn open(command: &mut Command) -> Open {
    let mut process = Running::start(command);
    let line = process.line().await;
    let url = line.strip_prefix("The store is open at ").unwrap_or_else(|| panic!("{line}")).to_owned();
    assert_eq!(process.line().await, format!("  docs   {url}/docs"));
    let admin_line = process.line().await;
    Open { process, guest: Person::at(&url), admin_line }
}

impl Open {
    /// Signs in as the admin whose password was printed.
    pub(crate) async fn admin(&self) -> Person {
        let said = self.admin_line.strip_prefix("  admin  ").unwrap();
        let (email, rest) = said.split_once(", password ").unwrap_or_else(|| panic!("{said}"));
        let password = rest.strip_suffix(" (shown only this once)").unwrap();
        self.sign_in(email, password).await
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Person {
        let session = self.guest.post("/api/auth/login", json!({"login": email, "password": password})).await;
        self.guest.clone().signed_in(session.expect(200).json)
    }

    pub(crate) async fn product_count(&self) -> usize {
        let products = self.guest.get("/api/products?limit=100").await.expect(200).json;
        products["items"].as_array().unwrap().len()
    }
}

/// What a command that succeeds prints.
pub(crate) async fn says(command: &mut Command) -> String {
    let output = process::run(command).await;
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{out}\n{err}");
    out
}

/// The one line that a command which is refused ends with, and its exit code.
pub(crate) async fn refusal(command: &mut Command) -> (i32, String) {
    let output = process::run(command.env("BODEGA_LOG", "off")).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    (output.status.code().unwrap(), said.trim_end().to_owned())
}
