//! Limit ranges: one without a name gets one (kubernetes pkg/registry/core/limitrange).

use crate::registry::Strategy;
use serde_json::Value;
use triad_machinery::meta;

pub(in crate::registry) struct LimitRanges;

impl Strategy for LimitRanges {
    fn prepare_for_create(&self, object: &mut Value) {
        if meta::name(object).is_empty() {
            meta::set(object, "name", &uuid::Uuid::new_v4().to_string());
        }
    }
}
