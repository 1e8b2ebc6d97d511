//! The apps group's kinds that need more than the table says.

pub(super) mod daemon_sets;
pub(super) mod deployments;
