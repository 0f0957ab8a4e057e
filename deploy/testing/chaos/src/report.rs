//! The report of `bodega-chaos full`.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::Context as _;

use crate::{measure::Results, run::RunResult};

pub(crate) struct Part {
    pub(crate) heading: &'static str,
    /// The command line that repeats it.
    pub(crate) arguments: &'static str,
}

pub(crate) const PARTS: &[Part] = &[
    Part {
        heading: "200 kills of six processes during 5,000 checkouts",
        arguments: "shop --seed 1 --seeds 2 --at-once 2 --only kill --kills 100 --checkouts 2500",
    },
    Part {
        heading: "All faults together, 20 seeds",
        arguments: "shop --seed 100 --seeds 20 --at-once 4 --seconds 120",
    },
    Part {
        heading: "The store in one process",
        arguments: "shop --seed 200 --seeds 3 --at-once 3 --standalone",
    },
    Part { heading: "Frozen database", arguments: "measure frozen" },
    Part { heading: "Database that never responds", arguments: "measure black-hole" },
    Part { heading: "Catalog slow by 10 s", arguments: "measure slow-catalog" },
    Part { heading: "Rolling restarts of every process", arguments: "measure rolls" },
    Part { heading: "Five times the sustainable load", arguments: "measure overload" },
];

pub(crate) struct Report {
    text: String,
    passed: bool,
}

impl Report {
    /// Starts with the commit and the machine.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let git = Command::new("git").args(["rev-parse", "HEAD"]).output().context("cannot run git")?;
        let commit = String::from_utf8_lossy(&git.stdout);
        let cores = std::thread::available_parallelism()?;
        let mut text = String::new();
        writeln!(text, "# Results of the chaos tests\n")?;
        writeln!(
            text,
            "Written by `bodega-chaos full` at commit {}, on {cores} cores that the store shares with its clients.\n\
             The [README](README.md) describes the faults and the invariants.",
            commit.trim()
        )?;
        Ok(Self { text, passed: true })
    }

    pub(crate) fn add_runs(&mut self, part: &Part, results: &[RunResult]) {
        self.start_part(part);
        self.text.push_str(RunResult::HEADER);
        for result in results {
            self.text.push_str(&result.row());
            self.passed &= result.violations.is_empty();
        }
        for violation in results.iter().flat_map(|result| &result.violations) {
            self.text.push_str(&format!("\n- {violation}"));
        }
    }

    pub(crate) fn add_results(&mut self, part: &Part, results: &Results) {
        self.start_part(part);
        self.text.push_str(&results.to_string());
        self.passed &= results.passed();
    }

    fn start_part(&mut self, part: &Part) {
        self.text.push_str(&format!("\n## {}\n\n`bodega-chaos {}`\n\n", part.heading, part.arguments));
    }

    /// Whether all invariants hold and all expectations are met.
    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    pub(crate) fn write(&self, out: &Path) -> anyhow::Result<()> {
        fs::write(out, &self.text).with_context(|| format!("cannot write {}", out.display()))
    }
}
