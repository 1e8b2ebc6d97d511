//! The API server of Triad: from TLS to the store's front door. `main.rs` starts what `run` serves.

mod admission;
mod api;
mod body;
mod body_limit;
mod bootstrap;
mod cacher;
mod clock;
mod cluster;
mod controllers;
mod debug;
mod discovery;
mod endpoint;
mod filters;
mod handlers;
mod health;
mod listener;
mod metrics;
mod negotiate;
mod openapi;
pub mod options;
mod paths;
mod pki;
mod query;
mod registry;
mod reply;
mod routes;
mod runtime_config;
pub mod server;
mod service_accounts;
mod storage;
#[cfg(test)]
mod testing;
mod tls;
mod user;
pub mod verbosity;
mod version;
mod wire;
