//! Release builds: of this workspace, and of other commits.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::process::Command;

/// Returns the root of the workspace that this program was built from.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap_or(Path::new("/")).to_owned()
}

/// Builds the release programs of these packages of this workspace, and returns the path of the first one.
///
/// # Errors
/// The build fails; cargo has printed why.
pub(crate) async fn build(packages: &[&str]) -> anyhow::Result<PathBuf> {
    build_in(&workspace(), None, packages).await
}

/// Returns the release build of `bodega` of a commit, and the abbreviated name of the commit.
///
/// It is kept in `target/bench`. If it is not there, it is built in a worktree with a target directory of its own, which are
/// removed afterwards.
///
/// # Errors
/// There is no such commit, or the build fails.
pub(crate) async fn build_commit(commit: &str) -> anyhow::Result<(PathBuf, String)> {
    let revision = format!("{commit}^{{commit}}");
    let id = git(&["rev-parse", "--verify", "--quiet", "--short=12", &revision]).await;
    let id = id.with_context(|| format!("there is no commit {commit}"))?;
    let directory = workspace().join("target/bench");
    let kept = directory.join(format!("bodega-{id}"));
    if !kept.exists() {
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let checkout = Checkout { path: directory.join(&id) };
        checkout.remove();
        let source = checkout.path.join("source");
        git(&["worktree", "add", "--detach", &source.to_string_lossy(), &id]).await?;
        let built = build_in(&source, Some(&checkout.path.join("target")), &["bodega"]).await?;
        // Renamed last, so that an interrupted copy is not used.
        let copy = kept.with_extension("new");
        fs::copy(built, &copy)?;
        fs::rename(copy, &kept)?;
    }
    Ok((kept, id))
}

/// A worktree and its target directory; removed on drop.
struct Checkout {
    path: PathBuf,
}

impl Checkout {
    fn remove(&self) {
        if fs::remove_dir_all(&self.path).is_ok() {
            let prune = std::process::Command::new("git")
                .args(["worktree", "prune"])
                .current_dir(workspace())
                .status();
            if let Err(error) = prune {
                tracing::warn!("cannot run git: {error}");
            }
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        self.remove();
    }
}

async fn build_in(source: &Path, target: Option<&Path>, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--bins", "--message-format=json-render-diagnostics"]);
    for package in packages {
        command.args(["--package", package]);
    }
    if let Some(target) = target {
        command.env("CARGO_TARGET_DIR", target);
    }
    command.current_dir(source).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.output().await.context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the release build of {} failed", packages.join(", "));
    }
    let first = packages.first().context("nothing to build")?;
    executable(&String::from_utf8_lossy(&output.stdout), first)
        .with_context(|| format!("cargo has not built {first}"))
}

/// Runs git in the workspace and returns its output.
pub(crate) async fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").args(arguments).current_dir(workspace()).output().await;
    let output = output.context("cannot run git")?;
    if !output.status.success() {
        bail!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
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
    fn finds_the_workspace() {
        assert!(workspace().join("deploy/testing/bench/Cargo.toml").exists());
    }

    #[test]
    fn finds_the_program_in_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"bodega"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"bodega"},"executable":"/target/release/bodega"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "bodega"), Some("/target/release/bodega".into()));
        assert_eq!(executable(messages, "bodega-cart"), None);
    }

    #[tokio::test]
    async fn rejects_an_unknown_commit() {
        let error = build_commit("no-such-commit").await.unwrap_err().to_string();
        assert_eq!(error, "there is no commit no-such-commit");
    }
}
