//! The store on a disk that loses power, runs full and fails.

mod disk_errors;
mod ledger;
mod power_loss;
mod victim;
