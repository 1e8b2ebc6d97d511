//! Any bytes as what a client sends over WebSocket: messages that go to a stream of theirs, or an end.
#![no_main]
#![allow(dead_code, reason = "parts of the server, taken by themselves")]

#[path = "."]
mod streams {
    #[path = "../../src/streams/spdy.rs"]
    pub(crate) mod spdy;
    #[path = "."]
    pub(crate) mod translate {
        #[path = "../../src/streams/translate/opened.rs"]
        pub(crate) mod opened;

        /// Every choice of streams, opened once: that takes longer than all the rest.
        static OPENED: LazyLock<Vec<opened::Opened>> = LazyLock::new(|| {
            let opened = (0..16_u8).map(|which| {
                let has = |bit: u8| which & bit != 0;
                let wanted = opened::Wanted {
                    stdin: has(1),
                    stdout: has(2),
                    stderr: has(4),
                    tty: has(8),
                };
                opened::Opened::open(wanted).expect("opened").0
            });
            opened.collect()
        });

        /// Whether messages are for streams that were opened, and end each once.
        pub(crate) fn take(which: u8, messages: &[Vec<u8>]) {
            let opened = &OPENED[usize::from(which) % 16];
            for message in messages {
                if let Ok(Some((stream, bytes, last))) = opened.inwards(message) {
                    assert!(stream % 2 == 1 && bytes.len() <= message.len());
                    assert!(!last || bytes.is_empty());
                }
            }
        }

        use std::sync::LazyLock;
    }
}

use futures_util::{FutureExt as _, StreamExt as _};
use libfuzzer_sys::fuzz_target;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

const LONGEST: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(LONGEST);
    config.max_frame_size = Some(LONGEST);
    let ends = tokio::io::join(data, tokio::io::sink());
    let socket = WebSocketStream::from_raw_socket(ends, Role::Server, Some(config));
    let mut socket = socket.now_or_never().expect("nothing is waited for");
    let mut messages = Vec::new();
    while let Some(Some(Ok(message))) = socket.next().now_or_never() {
        match message {
            Message::Binary(bytes) => messages.push(bytes.to_vec()),
            Message::Text(text) => messages.push(text.as_bytes().to_vec()),
            Message::Close(_) => break,
            _ => {}
        }
    }
    assert!(messages.iter().map(Vec::len).sum::<usize>() <= data.len());
    streams::translate::take(*which, &messages);
});
