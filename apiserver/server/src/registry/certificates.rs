//! The certificates group's kinds that need more than the table says.

pub(super) mod pod_requests;
pub(super) mod signing_requests;
