//! CPU time and memory of processes, from `/proc`. On other systems than Linux there are none.

use std::time::Duration;

/// CPU time used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    pub(crate) server: Duration,
    pub(crate) postgres: Duration,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{collections::HashMap, time::Duration};

    use super::CpuTime;

    struct Entry {
        parent: u32,
        ticks: u64,
    }

    /// Returns the CPU time of these processes and their descendants, those that have exited included; that of `postmaster`
    /// and its descendants separately.
    pub(crate) fn cpu_time(servers: &[u32], postmaster: u32) -> Option<CpuTime> {
        let processes = processes()?;
        let mut total = [0u64; 2];
        for (&id, entry) in &processes {
            if is_below(&processes, id, postmaster) {
                total[1] += entry.ticks;
            } else if servers.iter().any(|&server| is_below(&processes, id, server)) {
                total[0] += entry.ticks;
            }
        }
        let seconds = |ticks| Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64);
        Some(CpuTime { server: seconds(total[0]), postgres: seconds(total[1]) })
    }

    fn processes() -> Option<HashMap<u32, Entry>> {
        let stats =
            procfs::process::all_processes().ok()?.flatten().filter_map(|process| process.stat().ok());
        let entries = stats.filter_map(|stat| {
            let of_children = u64::try_from(stat.cutime + stat.cstime).ok()?;
            let ticks = stat.utime + stat.stime + of_children;
            Some((u32::try_from(stat.pid).ok()?, Entry { parent: u32::try_from(stat.ppid).ok()?, ticks }))
        });
        Some(entries.collect())
    }

    fn is_below(processes: &HashMap<u32, Entry>, mut id: u32, ancestor: u32) -> bool {
        while id != ancestor {
            match processes.get(&id) {
                Some(entry) => id = entry.parent,
                None => return false,
            }
        }
        true
    }

    /// Returns the resident memory of these processes, without their descendants, in bytes.
    pub(crate) fn resident_memory(servers: &[u32]) -> Option<u64> {
        servers
            .iter()
            .map(|&id| {
                let status = procfs::process::Process::new(i32::try_from(id).ok()?).ok()?.status().ok()?;
                Some(status.vmrss? * 1024)
            })
            .sum()
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{cpu_time, resident_memory};

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_time(_: &[u32], _: u32) -> Option<CpuTime> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_memory(_: &[u32]) -> Option<u64> {
    None
}

impl std::ops::Sub for CpuTime {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            server: self.server.saturating_sub(before.server),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{process::Command, thread::sleep};

    use super::*;

    #[test]
    fn counts_descendants_and_separates_postgres() {
        let mut shell = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        sleep(Duration::from_millis(300));
        let own = std::process::id();
        let separate = cpu_time(&[own], shell.id()).unwrap();
        let together = cpu_time(&[own], u32::MAX >> 1).unwrap();
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert!(separate.postgres > Duration::ZERO);
        assert!(together.server >= separate.postgres);
        assert_eq!(together.postgres, Duration::ZERO);
    }

    #[test]
    fn reads_resident_memory() {
        assert!(resident_memory(&[std::process::id()]).unwrap() > 1 << 20);
        assert_eq!(resident_memory(&[u32::MAX >> 1]), None);
    }
}
