//! A gzip stream put together of runs that were packed each by itself, so that a run that did not change is not packed again: large
//! lists (`handlers::zipped`) and the document of OpenAPI v2 are made so.

use crate::body::CutShort;
use crate::reply::cut_short;
use flate2::{Compress, Crc, FlushCompress, Status};
use std::io;

/// RFC 1952: deflate, no name, no time, compressed fast, on no system in particular.
pub(crate) const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// RFC 1951: a last block with nothing in it.
pub(crate) const LAST: [u8; 2] = [3, 0];

/// What stands behind all runs, by the checksum of what they unpack to.
pub(crate) fn tail(crc: &Crc) -> Vec<u8> {
    let mut out = LAST.to_vec();
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
    out
}

/// A piece of a deflate stream that others may be put behind and before, and the checksum of what it unpacks to.
pub(crate) fn deflate(packer: &mut Compress, plain: &[u8]) -> Result<(Vec<u8>, Crc), CutShort> {
    packer.reset();
    let mut out = Vec::with_capacity(plain.len() / 6 + 1024);
    loop {
        let taken = packer.total_in() as usize;
        let status = packer.compress_vec(&plain[taken..], &mut out, FlushCompress::Full);
        let status = status.map_err(|error| cut_short(error.into()))?;
        let all = packer.total_in() as usize == plain.len();
        // Room that is left says that all has been flushed.
        if all && out.len() < out.capacity() {
            break;
        }
        if status == Status::StreamEnd {
            return Err(cut_short(io::Error::other(
                "a deflate stream that goes on has ended",
            )));
        }
        out.reserve(out.len() / 2 + 1024);
    }
    out.shrink_to_fit();
    let mut crc = Crc::new();
    crc.update(plain);
    Ok((out, crc))
}

/// Whether a run of neighbours ends behind one of this name, one in so many of them: where runs end depends on what is in them alone, so
/// that one that comes or goes changes its own. (FNV-1a over the name's end, whose upper bits alone would hardly change with the last
/// letters, and a multiplication that mixes them.)
pub(crate) fn ends_run(name: &str, one_in: u64) -> bool {
    let spread = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let end = &name.as_bytes()[name.len().saturating_sub(16)..];
    let hash = end.iter().fold(0xcbf2_9ce4_8422_2325, spread);
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32).is_multiple_of(one_in)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    #[test]
    fn runs_make_one_sound_stream() {
        let runs = [
            b"{\"items\":[".to_vec(),
            vec![b'a'; 100_000],
            Vec::new(),
            b"]}".to_vec(),
        ];
        let (mut stream, mut whole) = (HEAD.to_vec(), Crc::new());
        for run in &runs {
            let mut packer = Compress::new(Compression::default(), false);
            let (deflated, crc) = deflate(&mut packer, run).expect("it can be packed");
            stream.extend(deflated);
            whole.combine(&crc);
        }
        stream.extend(tail(&whole));
        let (mut reader, mut text) = (GzDecoder::new(&stream[..]), Vec::new());
        reader.read_to_end(&mut text).expect("one sound stream");
        assert!(text == runs.concat());
        assert!(reader.into_inner().is_empty(), "nothing stands behind it");
    }

    #[test]
    fn names_that_count_end_runs_evenly() {
        for step in [1, 2, 10] {
            let keys = (0..3200).map(|at| format!("/registry/pods/n/web-{:06}", at * step));
            let ends = keys.filter(|key| ends_run(key, 32)).count();
            assert!((70..=130).contains(&ends), "{ends} of 3200, by {step}");
        }
    }
}
