//! Processes of the store.

use std::{
    path::Path,
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

/// Longer than any process needs, on any machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A command with a clean environment, except for what a process needs to run.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().current_dir("/").kill_on_drop(true);
    let inherited = ["PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "LLVM_PROFILE_FILE"];
    command.envs(inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

/// Runs a command to completion.
pub(crate) async fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    tokio::time::timeout(TIMEOUT, command.output()).await.expect("the process ends in time").unwrap()
}

/// A running process; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Collects standard error, so that the process never blocks on a full pipe.
    stderr: JoinHandle<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut output = Vec::new();
            stderr.read_to_end(&mut output).await.unwrap();
            String::from_utf8_lossy(&output).into_owned()
        });
        Self { child, stdout, stderr }
    }

    /// Returns the next line of standard output; panics with standard error if there is none.
    pub(crate) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(TIMEOUT, self.stdout.next_line()).await;
        match line.expect("a line in time").unwrap() {
            Some(line) => line,
            None => panic!("the process has ended: {}", (&mut self.stderr).await.unwrap()),
        }
    }

    /// Whether the process has a handler for SIGTERM.
    #[cfg(target_os = "linux")]
    pub(crate) fn handles_sigterm(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)) != 0
    }

    /// Sends SIGTERM and waits.
    pub(crate) async fn terminate(self) -> ExitStatus {
        self.signal(Signal::TERM).await
    }

    /// Sends SIGINT and waits.
    pub(crate) async fn interrupt(self) -> ExitStatus {
        self.signal(Signal::INT).await
    }

    /// Sends SIGKILL and waits.
    pub(crate) async fn kill(self) -> ExitStatus {
        self.signal(Signal::KILL).await
    }

    async fn signal(mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        tokio::time::timeout(TIMEOUT, self.child.wait()).await.expect("the process ends in time").unwrap()
    }
}

/// The command lines of all processes that contain this path.
#[cfg(target_os = "linux")]
pub(crate) fn processes_on(path: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let command_lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let texts = command_lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    texts.filter(|text| text.contains(path.to_str().unwrap())).collect()
}

/// Waits until no process uses this path.
#[cfg(target_os = "linux")]
pub(crate) async fn wait_until_unused(path: &Path) {
    let empty = async {
        while !processes_on(path).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let left = tokio::time::timeout(Duration::from_secs(20), empty).await;
    assert!(left.is_ok(), "still running: {:?}", processes_on(path));
}
