//! Child processes that end with their parent.

use std::io;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

type SpawnRequest = (Command, mpsc::Sender<io::Result<Child>>);

/// The kernel sends the parent-death signal when the *thread* that spawned the child exits. So one thread, which lives
/// as long as the process, spawns all children.
static SPAWNER: LazyLock<mpsc::Sender<SpawnRequest>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<SpawnRequest>();
    thread::Builder::new()
        .name("postgres-spawner".into())
        .spawn(move || {
            for (mut command, result_sender) in requests {
                // The receiver is gone only if the requesting thread panicked.
                let _ = result_sender.send(command.spawn());
            }
        })
        .expect("the system can start a thread");
    sender
});

/// Spawns `command`. On Linux the child receives SIGINT when this process dies, even by SIGKILL; on other systems it
/// keeps running.
///
/// # Errors
/// When the program cannot be run.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    #[cfg(target_os = "linux")]
    interrupt_when_parent_dies(&mut command);
    let (result_sender, result) = mpsc::channel();
    let exited = || io::Error::other("the spawner thread exited");
    SPAWNER.send((command, result_sender)).map_err(|_| exited())?;
    result.recv().map_err(|_| exited())?
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "prctl must run between fork and exec, in the child")]
fn interrupt_when_parent_dies(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    use rustix::io::Errno;
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    // SAFETY: the closure makes two system calls and does not allocate, lock or unwind, so it is sound in the forked
    // child of a multi-threaded process. It runs after the change of user, which would clear the setting.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::INT))?;
            // If the parent died before the call above, no signal will come.
            if getppid() == Some(parent) { Ok(()) } else { Err(Errno::CANCELED.into()) }
        });
    }
}

/// The signals that end a Postgres server, with the time allowed for each: fast shutdown (it may have a checkpoint to
/// write), immediate shutdown, kill.
pub(crate) const SHUTDOWN_SIGNALS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// Polls `done` every few milliseconds; returns `false` on timeout.
pub(crate) fn wait_until(timeout: Duration, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        if done()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(5));
    }
}
