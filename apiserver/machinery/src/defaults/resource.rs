//! Taints of devices say since when they hold.

use serde_json::{Map, Value};

use super::Context;

pub(super) fn device_taint(taint: &mut Map<String, Value>, context: &Context<'_>) {
    if let Some(now) = context.now {
        taint.entry("timeAdded").or_insert_with(|| now.into());
    }
}
