//! What a reader of results has to know: the command, the commit and the machine.

use std::{env, thread::available_parallelism};

use crate::builds;

/// Returns a paragraph about this run. To be called before anything is started, because it contains the load average.
pub(crate) async fn describe() -> String {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let cores = available_parallelism().map_or(1, usize::from);
    let commit = match builds::git(&["describe", "--always", "--dirty", "--abbrev=12"]).await {
        Ok(commit) => format!("Commit {commit}. "),
        Err(_) => String::new(),
    };
    format!("`bodega-bench {}`\n\n{commit}{cores} cores{}.\n", arguments.join(" "), machine())
}

#[cfg(target_os = "linux")]
fn machine() -> String {
    use procfs::Current as _;

    let model = procfs::CpuInfo::current().ok().and_then(|cpu| Some(format!(" ({})", cpu.model_name(0)?)));
    let memory = procfs::Meminfo::current().ok().map(|memory| format!(", {} GiB", memory.mem_total >> 30));
    let load = procfs::LoadAverage::current().ok();
    let load = load.map(|load| format!(", load average {:.1} before the run", load.one));
    [model, memory, load].into_iter().flatten().collect()
}

#[cfg(not(target_os = "linux"))]
fn machine() -> String {
    String::new()
}
