//! The store on a disk that loses power, runs full and fails.

mod disk_errors;
mod ledger;
mod power_loss;
#[allow(dead_code, reason = "members are told what to do, writers are not")]
mod victim;
