//! Any bytes as what a kubelet sends over SPDY: an error or frames, and a stream that ends.
#![no_main]
#![allow(dead_code, reason = "parts of the server, taken by themselves")]

#[path = "../../src/streams/spdy.rs"]
mod spdy;

use futures_util::FutureExt as _;
use libfuzzer_sys::fuzz_target;
use spdy::Frame;

fuzz_target!(|data: &[u8]| {
    let mut from = data;
    while let Ok(Some(frame)) = read(&mut from) {
        if let Frame::Data {
            stream,
            bytes,
            last,
        } = &frame
        {
            let sent = spdy::data(*stream, bytes, *last);
            let again = read(&mut sent.as_slice());
            assert_eq!(again.expect("it was written whole"), Some(frame));
        }
    }
});

fn read(from: &mut &[u8]) -> std::io::Result<Option<Frame>> {
    let read = spdy::read(from).now_or_never();
    read.expect("bytes at hand are not waited for")
}
