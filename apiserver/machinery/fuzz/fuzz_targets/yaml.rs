//! Any bytes as YAML: refused in bounded time and memory, or a value that JSON can carry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triad_machinery::codec::yaml;

fuzz_target!(|data: &[u8]| {
    if let Ok(json) = yaml::to_json(data) {
        let value: serde_json::Value = serde_json::from_slice(&json).expect("JSON was made");
        // Objects are maps; go-yaml's own writer cannot give every lone string back.
        if !value.is_object() {
            return;
        }
        let text = yaml::from_json(value.to_string().as_bytes());
        let again = yaml::to_value(&text).expect("what was written is read");
        assert_eq!(again, value);
    }
});
