//! RESULTS.md: what was run, on what, and what came of it.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::Context as _;

use crate::{measure::Figures, run::Outcome};

/// A part of the report.
pub(crate) struct Part {
    /// Its heading.
    pub(crate) heading: &'static str,
    /// The arguments that repeat it.
    pub(crate) arguments: &'static str,
}

/// What the whole report tells of.
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
    Part { heading: "Database frozen", arguments: "measure frozen" },
    Part { heading: "Database that never answers", arguments: "measure black-hole" },
    Part { heading: "Catalog slow by 10 s", arguments: "measure slow-catalog" },
    Part { heading: "Every process rolled", arguments: "measure rolls" },
    Part { heading: "Five times the sustainable load", arguments: "measure overload" },
];

/// What is written down so far.
pub(crate) struct Report {
    text: String,
    clean: bool,
}

impl Report {
    /// A report that says what is run on what.
    ///
    /// # Errors
    /// When git does not say which commit this is.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let git = Command::new("git").args(["rev-parse", "HEAD"]).output().context("git cannot be run")?;
        let commit = String::from_utf8_lossy(&git.stdout);
        let cores = std::thread::available_parallelism()?;
        let mut text = String::new();
        writeln!(text, "# What happens when it breaks\n")?;
        writeln!(
            text,
            "Written by `bodega-chaos full` at commit {}, on {cores} cores that the store shares with its shoppers.\n\
             What each part breaks and what must hold is said in the [README](README.md).",
            commit.trim()
        )?;
        Ok(Self { text, clean: true })
    }

    /// Writes down what came of runs.
    pub(crate) fn add_runs(&mut self, part: &Part, outcomes: &[Outcome]) {
        self.begin_part(part);
        self.text.push_str(Outcome::HEADER);
        for outcome in outcomes {
            self.text.push_str(&outcome.row());
            self.clean &= outcome.violations.is_empty();
        }
        for violation in outcomes.iter().flat_map(|outcome| &outcome.violations) {
            self.text.push_str(&format!("\n- {violation}"));
        }
    }

    /// Writes down what was measured.
    pub(crate) fn add_figures(&mut self, part: &Part, figures: &Figures) {
        self.begin_part(part);
        self.text.push_str(&figures.to_string());
        self.clean &= figures.reached();
    }

    fn begin_part(&mut self, part: &Part) {
        self.text.push_str(&format!("\n## {}\n\n`bodega-chaos {}`\n\n", part.heading, part.arguments));
    }

    /// Whether nothing was lost, and every figure was reached.
    pub(crate) fn is_clean(&self) -> bool {
        self.clean
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn write(&self, out: &Path) -> anyhow::Result<()> {
        fs::write(out, &self.text).with_context(|| format!("cannot write {}", out.display()))
    }
}
