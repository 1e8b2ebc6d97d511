//! The core group's kinds that need more than the table says.

pub(super) mod limit_ranges;
pub(super) mod namespaces;
pub(super) mod nodes;
pub(super) mod pods;
pub(super) mod secrets;
pub(super) mod service_accounts;
pub(super) mod services;
pub(super) mod volumes;
