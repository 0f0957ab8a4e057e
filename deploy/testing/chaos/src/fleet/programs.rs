//! The store's programs.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::time::timeout;

use super::role::Role;

/// The whole store in one process, and the commands that look after it.
pub(super) const BODEGA: &str = "bodega";

/// How long a command may take. Looking through the books of a long run does take a while.
const PATIENCE: Duration = Duration::from_secs(120);

/// What programs are given of our environment: no variable of ours must change what they do but these, which say how
/// they get to other programs, and what they log.
const INHERITED: [&str; 7] =
    ["PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "LLVM_PROFILE_FILE", "RUST_BACKTRACE", "BODEGA_LOG"];

/// The directory with the store's programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Finds them beside our own; beside the directory that ours is in, where that is a test.
    ///
    /// # Errors
    /// When one is missing: what to do.
    pub(super) fn find() -> anyhow::Result<Self> {
        let own = env::current_exe().context("our own program is nowhere")?;
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

    /// Runs a program, with nothing of our environment but what it takes to run.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.directory.join(name));
        command.env_clear().current_dir("/").stdin(Stdio::null());
        command.envs(INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command
    }
}

/// The program of a process.
pub(super) fn program_of(role: Role) -> String {
    format!("bodega-{role}")
}

/// Runs a command to its end; what it wrote to standard output.
///
/// # Errors
/// When it fails, with all that it said, or takes too long.
pub(super) async fn run(command: Command) -> anyhow::Result<String> {
    let output = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.context("it does not end")?.context("it does not run")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}
