pub fn apply_defaults(_: &mut serde_json::Value, _: crate::schema::TypeId) {}
