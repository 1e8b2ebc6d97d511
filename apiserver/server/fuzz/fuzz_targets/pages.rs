//! Any bytes as a page of a pod's that is passed on: its links become others, and nothing else of it.
#![no_main]
#![allow(dead_code, reason = "parts of the server, taken by themselves")]

#[path = "../../src/proxy/rewrite/html.rs"]
mod html;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(
        html::rewrite(data, |_| None).is_none(),
        "no link is another"
    );
    let once = html::rewrite(data, |link| Some(format!("/p{link}")));
    if let Some(once) = once {
        // What was written are the links that are read.
        let mut links = Vec::new();
        let seen = std::cell::RefCell::new(&mut links);
        html::rewrite(&once, |link| {
            seen.borrow_mut().push(link.to_owned());
            None
        });
        assert!(links.iter().all(|link| link.starts_with("/p")), "{links:?}");
    }
});
