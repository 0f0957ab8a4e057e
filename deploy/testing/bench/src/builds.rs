//! Release builds.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::process::Command;

/// Returns the directory of the workspace that this program was built from.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Builds the release program of a package in a workspace, and returns its path.
///
/// # Errors
/// The build fails; cargo has printed why.
pub(crate) async fn build(workspace: &Path, package: &str) -> anyhow::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--package", package, "--bin", package])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the release build of {package} failed");
    }
    executable(&String::from_utf8_lossy(&output.stdout), package)
        .with_context(|| format!("cargo has not built {package}"))
}

/// Finds the path of a program in cargo's messages.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_program = messages.filter(|message| message["target"]["name"] == name);
    of_program.filter_map(|message| Some(message["executable"].as_str()?.into())).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_program_in_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"bodega"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"bodega"},"executable":"/target/release/bodega"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "bodega"), Some("/target/release/bodega".into()));
        assert_eq!(executable(messages, "bodega-cart"), None);
    }
}
