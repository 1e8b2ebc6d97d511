//! Any JSON as a patch of any kind on any object: applied or refused, never a crash, and a merge patch is idempotent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use triad_machinery::patch::{json, merge, strategic};
use triad_machinery::schema::schema;

fuzz_target!(|data: &[u8]| {
    let Some(split) = data.iter().position(|byte| *byte == 0) else {
        return;
    };
    let (object, patch) = (&data[..split], &data[split + 1..]);
    let (Ok(object), Ok(patch)) = (
        serde_json::from_slice::<Value>(object),
        serde_json::from_slice::<Value>(patch),
    ) else {
        return;
    };
    if let Ok(parsed) = json::JsonPatch::from_value(patch.clone(), false) {
        let _ = parsed.apply(object.clone());
    }
    if let Ok(once) = merge::apply(object.clone(), &patch, false) {
        let twice = merge::apply(once.clone(), &patch, false).expect("it was applied before");
        assert_eq!(once, twice);
    }
    let root = schema().kind("", "v1", "Pod").expect("a built-in kind");
    let _ = strategic::apply(object, &mut patch.clone(), schema(), root);
});
