//! A large list as JSON in gzip, put together of blocks (`cacher::blocks`), most of which were made before for another list: then
//! nothing is shown and nothing compressed but the list's head and end.

use super::Call;
use super::form::JSON_TAIL;
use super::list::{Selected, json_head};
use crate::body::{CutShort, Piece, Pieces};
use crate::cacher::blocks::{Block, next_len};
use crate::cacher::{Cached, ResourceCache};
use crate::gzip;
use crate::reply::{GZIP_ABOVE, GZIP_LEVEL, Zippable, takes_gzip};
use flate2::{Compress, Compression, Crc};
use std::sync::Arc;
use triad_machinery::status::Status as Refusal;

/// Bytes after which a piece is handed on.
const PIECE_BYTES: usize = 16 * 1024;
/// How a list of a built-in kind is made in gzip, where it is large and the client takes that. As JSON no object is shorter than it is
/// stored, by far.
pub(super) fn zippable(call: &Call, selected: &Selected) -> Result<Option<Zippable>, Refusal> {
    let stored = selected.items.iter().map(|item| item.stored_len());
    if !takes_gzip(&call.headers) || stored.sum::<usize>() < 2 * GZIP_ABOVE {
        return Ok(None);
    }
    let listing = Listing {
        cache: call.registry()?.cache.clone(),
        items: selected.items.as_slice().into(),
        head: json_head(call, selected).into(),
    };
    let zipped = move || -> Pieces { Box::new(Zipped::new(listing.clone())) };
    Ok(Some(Zippable(Arc::new(zipped))))
}

#[derive(Clone)]
struct Listing {
    cache: Arc<ResourceCache>,
    items: Arc<[Arc<Cached>]>,
    /// What stands before the items.
    head: Arc<str>,
}

struct Zipped {
    listing: Listing,
    /// How many items are done.
    done: usize,
    crc: Crc,
    packer: Compress,
    begun: bool,
    over: bool,
}

impl Zipped {
    fn new(listing: Listing) -> Self {
        Zipped {
            listing,
            done: 0,
            crc: Crc::new(),
            packer: Compress::new(Compression::new(GZIP_LEVEL), false),
            begun: false,
            over: false,
        }
    }

    /// The head, and the first item, which has no comma in front.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), CutShort> {
        self.begun = true;
        out.extend_from_slice(&gzip::HEAD);
        let mut plain = self.listing.head.as_bytes().to_vec();
        if let Some(first) = self.listing.items.first() {
            show(&self.listing.cache, first, &mut plain)?;
            self.done = 1;
        }
        let (deflated, crc) = gzip::deflate(&mut self.packer, &plain)?;
        out.extend_from_slice(&deflated);
        self.crc.combine(&crc);
        Ok(())
    }

    fn block(&mut self) -> Result<Arc<Block>, CutShort> {
        let Listing { cache, items, .. } = &self.listing;
        let rest = &items[self.done..];
        let objects = &rest[..next_len(rest)];
        self.done += objects.len();
        if let Some(block) = cache.blocks.get(objects) {
            return Ok(block);
        }
        let mut plain = Vec::new();
        for object in objects {
            plain.push(b',');
            show(cache, object, &mut plain)?;
        }
        let (deflated, crc) = gzip::deflate(&mut self.packer, &plain)?;
        let block = Arc::new(Block::new(objects, deflated.into(), crc));
        cache.blocks.keep(&block);
        Ok(block)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), CutShort> {
        self.over = true;
        let (deflated, crc) = gzip::deflate(&mut self.packer, JSON_TAIL.as_bytes())?;
        out.extend_from_slice(&deflated);
        self.crc.combine(&crc);
        out.extend(gzip::tail(&self.crc));
        Ok(())
    }

    fn piece(&mut self) -> Result<Vec<u8>, CutShort> {
        let mut out = Vec::with_capacity(2 * PIECE_BYTES);
        if !self.begun {
            self.begin(&mut out)?;
        }
        while out.len() < PIECE_BYTES && self.done < self.listing.items.len() {
            let block = self.block()?;
            out.extend_from_slice(&block.deflated);
            self.crc.combine(&block.crc);
        }
        if self.done == self.listing.items.len() {
            self.end(&mut out)?;
        }
        Ok(out)
    }
}

impl Iterator for Zipped {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.over {
            return None;
        }
        let piece = self.piece();
        self.over |= piece.is_err();
        Some(piece.map(Into::into))
    }
}

fn show(cache: &ResourceCache, object: &Arc<Cached>, out: &mut Vec<u8>) -> Result<(), CutShort> {
    object.item(&cache.layout, out).map_err(|error| {
        // It could be read when it came into the cache, so this is a bug.
        tracing::error!(key = &*object.key, error, "a list ends before an object");
        CutShort
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cacher::feed::apply;
    use crate::cacher::tests::bed::{Bed, batch, entry, event};
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    const TOLD: &str = "{\"items\":[";

    fn listing(bed: &Bed) -> Listing {
        let cache = bed.cache("configmaps").clone();
        let items = cache.snapshot().all().cloned().collect();
        let head = TOLD.into();
        Listing { cache, items, head }
    }

    /// What a client reads.
    fn unzipped(listing: &Listing) -> String {
        let pieces: Result<Vec<_>, _> = Zipped::new(listing.clone()).collect();
        let (zipped, mut text) = (pieces.unwrap().concat(), String::new());
        let mut reader = GzDecoder::new(&zipped[..]);
        reader
            .read_to_string(&mut text)
            .expect("one sound gzip stream");
        assert!(reader.into_inner().is_empty(), "nothing stands behind it");
        text
    }

    /// The list made at once, and without blocks.
    fn plain(listing: &Listing) -> String {
        let shown = listing.items.iter().map(|object| {
            let mut out = Vec::new();
            object.item(&listing.cache.layout, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        });
        let shown: Vec<_> = shown.collect();
        format!("{TOLD}{}{JSON_TAIL}", shown.join(","))
    }

    /// The blocks that a list of these objects finds.
    fn found(listing: &Listing) -> Vec<(Arc<str>, Option<Arc<Block>>)> {
        let (mut rest, mut found) = (listing.items.get(1..).unwrap_or(&[]), Vec::new());
        while let Some(first) = rest.first() {
            let (objects, behind) = rest.split_at(next_len(rest));
            found.push((first.key.clone(), listing.cache.blocks.get(objects)));
            rest = behind;
        }
        found
    }

    fn write(bed: &Bed, name: usize, data: &str, present: bool, revision: u64) {
        let entry = entry("configmaps", ("n", &format!("x{name:04}")), data, revision);
        apply(&bed.cacher, batch(vec![event(&entry, present, revision)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Lists in between changes are what they would be without blocks of lists before.
        #[test]
        fn lists_are_what_is_there(changes in prop::collection::vec((0..300usize, 0..40usize, prop::bool::weighted(0.8), prop::bool::weighted(0.1)), 1..300)) {
            let bed = Bed::new(1 << 20);
            for (at, (name, length, present, listed)) in changes.into_iter().enumerate() {
                write(&bed, name, &"value ".repeat(length * length), present, at as u64 + 1);
                if listed {
                    let listing = listing(&bed);
                    prop_assert_eq!(unzipped(&listing), plain(&listing));
                }
            }
            let listing = listing(&bed);
            prop_assert_eq!(unzipped(&listing), plain(&listing));
        }
    }

    #[test]
    fn a_change_costs_the_block_that_it_is_in() {
        let bed = Bed::new(1 << 20);
        for name in 0..600 {
            write(&bed, 2 * name, &"value ".repeat(400), true, name as u64 + 1);
        }
        unzipped(&listing(&bed));
        let before = found(&listing(&bed));
        assert!(before.len() > 8, "{} blocks", before.len());
        assert!(
            before.iter().all(|(_, block)| block.is_some()),
            "made once, found again"
        );
        for (revision, name, present) in [(1001, 600, true), (1002, 601, true), (1003, 600, false)]
        {
            let before = found(&listing(&bed));
            write(&bed, name, "new", present, revision);
            let lost = found(&listing(&bed))
                .iter()
                .filter(|(_, block)| block.is_none())
                .count();
            // One that comes may end a block, and one that goes may have ended one.
            assert!((1..=2).contains(&lost), "{lost} of {} blocks", before.len());
            unzipped(&listing(&bed));
        }
    }
}
