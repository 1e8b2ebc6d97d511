//! Any text as a selector or a quantity: refused, or something that says the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triad_machinery::quantity::Quantity;
use triad_machinery::selector::{FieldSelector, LabelSelector};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = LabelSelector::parse(text);
    let _ = FieldSelector::parse(text);
    if let Ok(quantity) = Quantity::parse(text) {
        let shown = quantity.to_string();
        let again = Quantity::parse(&shown).expect("what was written is read");
        assert_eq!(again.to_string(), shown);
    }
});
