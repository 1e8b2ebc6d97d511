//! The group apiextensions.k8s.io.

pub(crate) mod definitions;
