pub fn convert(_: &mut serde_json::Value, _: (&str, &str), _: (&str, &str), _: &str) {}
