//! Breaks a whole store while shoppers use it, and looks whether anything was lost.
//!
//! A [`fleet`] is the real thing: Postgres, the four services and the gateway, each a process of its own behind a
//! [`proxy`], and a stand-in for Stripe. [`shopper`]s shop in it and write into a [`journal`] what they were told.
//! [`faults`] says what can go wrong, [`plan`] what does when, from a seed. A [`run`] ends with the [`invariants`], which
//! compare the journal, the database and Stripe's ledger once all is quiet. [`measure`] puts figures to single faults,
//! and [`report`] writes them all down.

mod cli;
mod faults;
mod fleet;
mod invariants;
mod journal;
mod measure;
mod plan;
mod proxy;
mod report;
mod run;
mod shopper;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
