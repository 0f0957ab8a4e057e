//! Starting and ending processes that must not outlive ours.

use std::io;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

type Spawn = (Command, mpsc::Sender<io::Result<Child>>);

/// The kernel's "your parent died" fires when the *thread* that spawned is gone. So one thread
/// spawns everything, and lives as long as the process.
static SPAWNER: LazyLock<mpsc::Sender<Spawn>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<Spawn>();
    thread::Builder::new()
        .name("postgres-spawner".into())
        .spawn(move || {
            for (mut command, reply) in requests {
                // Nobody waits for the answer only if the asking thread has panicked.
                let _ = reply.send(command.spawn());
            }
        })
        .expect("the system can start a thread");
    sender
});

/// Spawns `command`; on Linux it gets SIGINT when our process dies, however it dies. Elsewhere it is
/// left running then.
///
/// # Errors
/// When it cannot be run.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    #[cfg(target_os = "linux")]
    interrupt_when_parent_dies(&mut command);
    let (reply, answer) = mpsc::channel();
    let gone = || io::Error::other("the spawning thread is gone");
    SPAWNER.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "prctl must run between fork and exec, in the child")]
fn interrupt_when_parent_dies(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    use rustix::io::Errno;
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    // SAFETY: the closure makes two system calls; it does not allocate, lock or unwind, so it is
    // sound in the forked child of a process with many threads. It runs after the change of user,
    // which would clear the setting.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::INT))?;
            // The parent may have died before the call above; then no signal will come.
            if getppid() == Some(parent) { Ok(()) } else { Err(Errno::CANCELED.into()) }
        });
    }
}

/// How a Postgres server is ended, and how long it gets for each signal: a fast shutdown (which
/// may have a checkpoint to write), an immediate one, and none at all.
pub(crate) const INSISTENCE: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// Asks `done` every few milliseconds; false when it has not come true within `limit`.
pub(crate) fn wait_until(limit: Duration, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
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
