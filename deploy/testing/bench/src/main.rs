//! Measures a store under load, beside another build of it.
//!
//! A [`target`] is a running server with products and users. A [`flow`](flows) prepares its requests, which [`wrk`] sends;
//! its [`outcome`] has rates and latencies, and what each flow cost: CPU time ([`usage`]) and [`statements`]. The
//! [`report`] compares the medians of all rounds.

mod builds;
mod cli;
mod environment;
mod flows;
mod outcome;
mod report;
mod statements;
mod target;
mod usage;
mod wrk;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
