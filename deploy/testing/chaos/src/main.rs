//! Breaks a whole store while clients use it, and checks that nothing is lost.
//!
//! A [`cluster`] is the real store: Postgres, the four services and the gateway, each a process behind a [`proxy`], and
//! a Stripe double. Simulated [`client`]s use it and record all responses in a [`journal`], while [`faults`] happen. A
//! [`run`] ends with the [`invariants`], which compare the journal, the database and Stripe's ledger once the store is
//! quiet. [`measure`] has experiments with single faults, and [`report`] writes everything into a file.

mod cli;
mod client;
mod cluster;
mod faults;
mod invariants;
mod journal;
mod measure;
mod proxy;
mod report;
mod run;
mod targets;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
