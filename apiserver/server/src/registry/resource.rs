//! The group resource.k8s.io.

pub(super) mod claims;
pub(super) mod taint_rules;
