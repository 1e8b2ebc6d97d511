//! Nodes: they register with their status (kubernetes pkg/registry/core/node).

use crate::registry::Strategy;

pub(in crate::registry) struct Nodes;

impl Strategy for Nodes {
    fn keeps_status_on_create(&self) -> bool {
        true
    }
}
