//! The store's executables.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::time::timeout;

use super::role::Role;

/// The standalone store, which also has the administrative commands.
pub(super) const BODEGA: &str = "bodega";

/// `bodega verify` takes a while after a long run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);

/// The inherited environment variables: those to find other programs and to configure logs. No other variable may
/// change the behaviour of a program.
const INHERITED: [&str; 7] =
    ["PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "LLVM_PROFILE_FILE", "RUST_BACKTRACE", "BODEGA_LOG"];

/// The directory of the executables.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Finds the executables in the directory of this executable or, for a test, in its parent.
    ///
    /// # Errors
    /// An executable is missing (with the command to build it).
    pub(super) fn find() -> anyhow::Result<Self> {
        let own = env::current_exe().context("cannot find the path of this executable")?;
        let directories: Vec<&Path> = own.ancestors().skip(1).take(2).collect();
        let names: Vec<_> = Role::PROCESSES.map(program_of).into_iter().chain([BODEGA.to_owned()]).collect();
        let is_complete = |directory: &&Path| names.iter().all(|name| directory.join(name).exists());
        if let Some(directory) = directories.iter().copied().find(is_complete) {
            return Ok(Self { directory: directory.to_owned() });
        }
        let is_release = directories.iter().any(|directory| directory.ends_with("release"));
        let release = if is_release { " --release" } else { "" };
        bail!("the store's programs are not built: run `cargo build --workspace{release}` first");
    }

    /// Prepares a command with the [`INHERITED`] variables only.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.directory.join(name));
        command.env_clear().current_dir("/").stdin(Stdio::null());
        command.envs(INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command
    }
}

pub(super) fn program_of(role: Role) -> String {
    format!("bodega-{role}")
}

/// Runs a command to completion and returns its standard output.
///
/// # Errors
/// It fails (with all of its output) or takes too long.
pub(super) async fn run(command: Command) -> anyhow::Result<String> {
    let output = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = timeout(COMMAND_TIMEOUT, output).await.context("timed out")?.context("cannot be run")?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{}: {stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(stdout)
}
