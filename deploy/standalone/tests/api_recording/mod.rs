//! The whole HTTP API as recorded snapshots: status, headers and JSON of every operation, for every role.
//!
//! A change of the API shows as a change of a file in `snapshots/`. To accept it, run the tests with
//! `INSTA_UPDATE=always` and review the difference. Ids, times, tokens and free texts are placeholders.

mod accounts;
mod catalog;
mod checkout;
mod coverage;
mod guests;
mod legacy;
mod mails;
mod recorder;
mod rejections;
mod returns;
mod settings;
mod shopping;
mod text;
mod variants;
