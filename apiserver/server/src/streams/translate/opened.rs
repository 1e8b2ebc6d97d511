//! The streams that a command has on its connection to the kubelet: which channel of the client's each is, and which have ended.

use crate::streams::spdy::Opener;
use std::io;

/// Channels (apimachinery pkg/util/remotecommand).
const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// A message of this channel ends another one.
const CLOSE: u8 = 255;

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) tty: bool,
}

/// The streams of a connection by their channels.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) error: u32,
    stdin: Option<u32>,
    stdout: Option<u32>,
    stderr: Option<u32>,
    resize: Option<u32>,
}

impl Opened {
    /// Opens what is wanted; the frames that do so. All are opened before anything is sent on any: the other side waits for them.
    pub(super) fn open(wanted: Wanted) -> io::Result<(Self, Vec<u8>)> {
        let mut opener = Opener::new()?;
        let mut frames = Vec::new();
        let mut open = |of: &str| -> io::Result<u32> {
            let (stream, frame) = opener.open(&[("streamtype", of)])?;
            frames.extend(frame);
            Ok(stream)
        };
        let mut opened = Opened {
            error: open("error")?,
            ..Opened::default()
        };
        for (is_wanted, of, stream) in [
            (wanted.stdin, "stdin", &mut opened.stdin),
            (wanted.stdout, "stdout", &mut opened.stdout),
            // A terminal has both in one.
            (wanted.stderr && !wanted.tty, "stderr", &mut opened.stderr),
            (wanted.tty, "resize", &mut opened.resize),
        ] {
            if is_wanted {
                *stream = Some(open(of)?);
            }
        }
        Ok((opened, frames))
    }

    /// The channel of an output.
    pub(super) fn channel(&self, stream: u32) -> Option<u8> {
        let outputs = [(self.stdout, STDOUT), (self.stderr, STDERR)];
        let mut outputs = outputs.into_iter();
        let (_, channel) = outputs.find(|(own, _)| *own == Some(stream))?;
        Some(channel)
    }

    /// Where a message of the client's goes: the stream, the bytes, and whether it ends there.
    pub(super) fn inwards<'a>(
        &self,
        message: &'a [u8],
    ) -> io::Result<Option<(u32, &'a [u8], bool)>> {
        let of = |channel: u8| match channel {
            STDIN => self.stdin,
            RESIZE => self.resize,
            _ => None,
        };
        Ok(match *message {
            [CLOSE, channel] if channel <= RESIZE => {
                of(channel).map(|stream| (stream, &[][..], true))
            }
            [CLOSE, ..] => {
                let why = "a message that ends no channel";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            [channel, ref bytes @ ..] if !bytes.is_empty() => {
                of(channel).map(|stream| (stream, bytes, false))
            }
            _ => None,
        })
    }
}

/// Which streams of the kubelet's have not ended.
pub(super) struct Ends {
    open: Vec<u32>,
    /// Those that it has not taken up yet.
    asked: Vec<u32>,
}

impl Ends {
    pub(super) fn new(opened: &Opened) -> Self {
        let outputs = [opened.stdout, opened.stderr, Some(opened.error)];
        let inputs = [opened.stdin, opened.resize];
        let open: Vec<u32> = outputs.into_iter().flatten().collect();
        let asked = open.iter().copied().chain(inputs.into_iter().flatten());
        Ends {
            asked: asked.collect(),
            open,
        }
    }

    pub(super) fn all(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn ended(&mut self, stream: u32, last: bool) {
        if last {
            self.open.retain(|own| *own != stream);
        }
    }

    pub(super) fn replied(&mut self, stream: u32, last: bool) {
        self.asked.retain(|own| *own != stream);
        self.ended(stream, last);
    }

    /// Kubelets end streams by this, too, once they have taken them up.
    pub(super) fn reset(&mut self, stream: u32) -> io::Result<()> {
        if self.asked.contains(&stream) {
            return Err(io::Error::other("the kubelet has refused a stream"));
        }
        self.ended(stream, true);
        Ok(())
    }
}
