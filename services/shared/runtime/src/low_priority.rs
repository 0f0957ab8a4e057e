//! Threads for work that occupies a core for milliseconds, such as hashing passwords.
//!
//! Requests that are being served have precedence: on Linux the threads have a nice value, so that the scheduler gives a core to a
//! thread that serves requests as soon as it has something to do. Elsewhere a nice value is that of the whole process, and the
//! threads have the usual priority.

use std::io;

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinError,
};

/// While all cores are busy, a thread gets a third of the time of one with the usual priority: its work must not come to a stop.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// A number of threads with a low priority. A thread ends when it has had no work for some seconds.
#[derive(Debug)]
pub struct LowPriorityThreads {
    /// Its blocking threads do the work. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl LowPriorityThreads {
    /// Creates at most `max` threads with this name. They are started when there is work.
    ///
    /// # Errors
    /// When the runtime cannot be created.
    pub fn new(name: &str, max: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .thread_name(name)
            .max_blocking_threads(max)
            .on_thread_start(lower_priority)
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Does `work` on one of the threads; waits while all of them are busy. The work is completed also if the future is dropped.
    ///
    /// # Errors
    /// When the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let runtime = self.runtime.as_ref().expect("only taken when it is dropped");
        runtime.spawn_blocking(work).await
    }
}

impl Drop for LowPriorityThreads {
    fn drop(&mut self) {
        // The last owner may be a task, which must not wait for the threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of the current thread. Not every process is allowed to.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!("priority of a thread not lowered: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[tokio::test]
    async fn work_runs_on_a_limited_number_of_named_threads() {
        let threads = LowPriorityThreads::new("test-work", 2).unwrap();
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = std::sync::Arc::new(std::sync::Mutex::new(released));
        let work = (0..6).map(|_| {
            let (started, released) = (started.clone(), released.clone());
            threads.run(move || {
                started.send(thread::current().id()).unwrap();
                released.lock().unwrap().recv().unwrap();
                thread::current().name().map(str::to_owned)
            })
        });
        let all = futures_util::future::join_all(work);
        let release_all = async {
            for _ in 0..6 {
                release.send(()).unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (names, ()) = tokio::join!(all, release_all);
        for name in names {
            assert_eq!(name.unwrap().as_deref(), Some("test-work"));
        }
        let ids: std::collections::HashSet<_> = starts.try_iter().collect();
        assert!(ids.len() <= 2, "{ids:?}");
        assert!(!ids.contains(&thread::current().id()));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_these_threads_have_a_low_priority() {
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        let threads = LowPriorityThreads::new("test-priority", 1).unwrap();
        assert_eq!(threads.run(own).await.unwrap(), (before + NICE).min(19));
        let blocking = tokio::task::spawn_blocking(own);
        assert_eq!((own(), blocking.await.unwrap()), (before, before));
    }

    #[tokio::test]
    async fn a_panic_ends_neither_the_thread_nor_the_caller() {
        let threads = LowPriorityThreads::new("test-panic", 1).unwrap();
        assert!(threads.run(|| panic!("as the test wants")).await.unwrap_err().is_panic());
        assert_eq!(threads.run(|| 7).await.unwrap(), 7);
    }
}
