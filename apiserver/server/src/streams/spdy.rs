//! SPDY/3.1 as kubelets speak it (moby/spdystream): the frames of a side that opens streams. Flow control is not part of it: the
//! other side sends no window updates, TCP alone holds back who is too fast.

use flate2::{Compress, Compression, FlushCompress};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What both sides have before they compress a header (SPDY protocol, draft 3, 2.6.10.1).
const DICTIONARY: &[u8] = include_bytes!("spdy.dictionary");
const VERSION: u16 = 3;
const FIN: u8 = 1;
/// A frame says its length in 24 bits.
const LONGEST: usize = (1 << 24) - 1;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GO_AWAY: u16 = 7;

/// A frame of the other side, as far as it means something here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Data {
        stream: u32,
        bytes: Vec<u8>,
        last: bool,
    },
    /// The stream was opened; `last` where nothing will come of it.
    Reply {
        stream: u32,
        last: bool,
    },
    /// The stream has ended, or was never taken up.
    Reset {
        stream: u32,
    },
    Ping(u32),
    GoAway,
    /// What needs no answer: settings, headers, windows.
    Other,
}

/// Opens streams: their headers are compressed one after the other.
pub(crate) struct Opener {
    compressor: Compress,
    next: u32,
}

impl Opener {
    pub(crate) fn new() -> io::Result<Self> {
        let mut compressor = Compress::new(Compression::default(), true);
        compressor.set_dictionary(DICTIONARY)?;
        Ok(Opener {
            compressor,
            next: 1,
        })
    }

    /// The frame that opens a stream, and the stream's number.
    pub(crate) fn open(&mut self, headers: &[(&str, &str)]) -> io::Result<(u32, Vec<u8>)> {
        let stream = self.next;
        // The side that dialled has the odd numbers.
        self.next += 2;
        let mut block = number(headers.len())?.to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            block.extend(number(text.len())?);
            block.extend(text.as_bytes());
        }
        let mut payload = Vec::new();
        payload.extend(stream.to_be_bytes());
        // It belongs to no other stream and has no priority.
        payload.extend([0; 6]);
        payload.extend(self.compressed(&block)?);
        Ok((stream, control(SYN_STREAM, 0, &payload)))
    }

    fn compressed(&mut self, block: &[u8]) -> io::Result<Vec<u8>> {
        let mut packed = Vec::with_capacity(block.len() + 64);
        let before = self.compressor.total_in();
        loop {
            let done = usize::try_from(self.compressor.total_in() - before).unwrap_or(block.len());
            let flush = FlushCompress::Sync;
            self.compressor
                .compress_vec(&block[done..], &mut packed, flush)?;
            // Room is left: all has been flushed.
            if packed.len() < packed.capacity() {
                return Ok(packed);
            }
            packed.reserve(packed.len());
        }
    }
}

fn number(length: usize) -> io::Result<[u8; 4]> {
    let number = u32::try_from(length).map_err(io::Error::other)?;
    Ok(number.to_be_bytes())
}

fn control(kind: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(8 + payload.len());
    frame.extend((0x8000 | VERSION).to_be_bytes());
    frame.extend(kind.to_be_bytes());
    frame.push(flags);
    frame.extend(&length(payload)[1..]);
    frame.extend(payload);
    frame
}

/// A length whose last three bytes say it.
fn length(payload: &[u8]) -> [u8; 4] {
    debug_assert!(payload.len() <= LONGEST);
    (payload.len() as u32).to_be_bytes()
}

/// The frames that bytes of a stream are sent in; `last` says that no more come.
pub(crate) fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    let mut frames = Vec::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    loop {
        let (now, later) = rest.split_at(rest.len().min(LONGEST));
        frames.extend(stream.to_be_bytes());
        frames.push(if last && later.is_empty() { FIN } else { 0 });
        frames.extend(&length(now)[1..]);
        frames.extend(now);
        rest = later;
        if rest.is_empty() {
            return frames;
        }
    }
}

pub(crate) fn ping(id: u32) -> Vec<u8> {
    control(PING, 0, &id.to_be_bytes())
}

/// Tells the other side that nothing more comes, and that all went well.
pub(crate) fn go_away() -> Vec<u8> {
    control(GO_AWAY, 0, &[0; 8])
}

/// Reads the next frame; none where the other side has ended.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut head = [0; 8];
    match from.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let flags = head[4];
    let length = u32::from_be_bytes([0, head[5], head[6], head[7]]);
    let mut payload = vec![0; length as usize];
    from.read_exact(&mut payload).await?;
    if first & 0x8000_0000 == 0 {
        return Ok(Some(Frame::Data {
            stream: first,
            bytes: payload,
            last: flags & FIN != 0,
        }));
    }
    let (version, kind) = ((first >> 16 & 0x7fff) as u16, (first & 0xffff) as u16);
    if version != VERSION {
        let why = format!("a frame of SPDY version {version}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    controlled(kind, flags, &payload).map(Some)
}

fn controlled(kind: u16, flags: u8, payload: &[u8]) -> io::Result<Frame> {
    let word = |at: usize| -> io::Result<u32> {
        let bytes = payload
            .get(at..at + 4)
            .and_then(|four| four.try_into().ok());
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(u32::from_be_bytes(bytes))
    };
    Ok(match kind {
        SYN_REPLY => Frame::Reply {
            stream: word(0)? & 0x7fff_ffff,
            last: flags & FIN != 0,
        },
        RST_STREAM => Frame::Reset {
            stream: word(0)? & 0x7fff_ffff,
        },
        PING => Frame::Ping(word(0)?),
        GO_AWAY => Frame::GoAway,
        _ => Frame::Other,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress, Status};

    /// What the other side reads of headers.
    pub(crate) struct Reader(Decompress);

    impl Reader {
        pub(crate) fn new() -> Self {
            Reader(Decompress::new(true))
        }

        /// Names and values of a SYN_STREAM.
        pub(crate) fn headers(&mut self, payload: &[u8]) -> Vec<(String, String)> {
            let mut block = Vec::with_capacity(64 * 1024);
            let packed = &payload[10..];
            let before = self.0.total_in();
            let first = self
                .0
                .decompress_vec(packed, &mut block, FlushDecompress::Sync);
            if first.is_err() {
                self.0.set_dictionary(DICTIONARY).expect("the dictionary");
                let done = (self.0.total_in() - before) as usize;
                let all = self
                    .0
                    .decompress_vec(&packed[done..], &mut block, FlushDecompress::Sync);
                assert_eq!(all.expect("compressed"), Status::Ok);
            }
            let mut texts = Vec::new();
            let mut rest = &block[4..];
            while !rest.is_empty() {
                let (length, more) = rest.split_at(4);
                let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
                let (text, more) = more.split_at(length as usize);
                texts.push(String::from_utf8(text.to_vec()).expect("a text"));
                rest = more;
            }
            let pairs = texts
                .chunks(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()));
            pairs.collect()
        }
    }

    #[test]
    fn headers_of_one_stream_after_the_other_are_read_by_the_other_side() {
        let mut opener = Opener::new().expect("an opener");
        let mut reader = Reader::new();
        for (at, of) in ["error", "stdin", "stdout"].into_iter().enumerate() {
            let long = "x".repeat(5000 * at);
            let headers = [("streamtype", of), ("more", long.as_str())];
            let (stream, frame) = opener.open(&headers).expect("a frame");
            assert_eq!(stream as usize, 2 * at + 1);
            assert_eq!(frame[..5], [0x80, 3, 0, 1, 0]);
            assert_eq!(frame[8..12], stream.to_be_bytes());
            let read = reader.headers(&frame[8..]);
            let want = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(read, want);
        }
    }

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let mut bytes = data(5, b"hello", false);
        bytes.extend(data(5, b"", true));
        bytes.extend(ping(7));
        bytes.extend(control(SYN_REPLY, FIN, &[0, 0, 0, 3, 0, 0]));
        bytes.extend(control(RST_STREAM, 0, &[0, 0, 0, 1, 0, 0, 0, 3]));
        bytes.extend(control(4, 0, &[0; 12]));
        bytes.extend(go_away());
        let mut from = &bytes[..];
        let mut frames = Vec::new();
        while let Some(frame) = read(&mut from).await.expect("frames") {
            frames.push(frame);
        }
        let said = |bytes: &[u8], last| Frame::Data {
            stream: 5,
            bytes: bytes.to_vec(),
            last,
        };
        let want = [
            said(b"hello", false),
            said(b"", true),
            Frame::Ping(7),
            Frame::Reply {
                stream: 3,
                last: true,
            },
            Frame::Reset { stream: 1 },
            Frame::Other,
            Frame::GoAway,
        ];
        assert_eq!(frames, want);
    }

    #[test]
    fn what_is_too_long_for_a_frame_goes_in_several() {
        let long = vec![1; LONGEST + 10];
        let frames = data(1, &long, true);
        assert_eq!(frames[..8], [0, 0, 0, 1, 0, 0xff, 0xff, 0xff]);
        assert_eq!(frames[8 + LONGEST..16 + LONGEST], [0, 0, 0, 1, 1, 0, 0, 10]);
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        for bytes in [
            &[0x80, 2, 0, 1, 0, 0, 0, 0][..],
            &[0x80, 3, 0, 6, 0, 0, 0, 1, 9],
            &[0x80, 3, 0, 3, 0, 0, 0, 3, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 9, 1],
        ] {
            let mut from = bytes;
            assert!(read(&mut from).await.is_err(), "{bytes:?}");
        }
    }
}
