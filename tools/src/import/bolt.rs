//! Reads a bbolt file: the pages of etcd's database (go.etcd.io/bbolt, page.go, bucket.go, db.go). Nothing in it is believed:
//! every offset is checked, and no page is read twice. The free list is of no interest to a reader.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
/// id, flags, count, overflow.
const PAGE_HEADER: usize = 16;
const ELEMENT: usize = 16;
/// Root page and sequence.
const BUCKET_HEADER: usize = 16;
/// Of a meta page, after the page's header, up to its checksum.
const META: usize = 56;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const META_PAGE: u16 = 0x04;
/// The value of a leaf's element is a bucket.
const IS_BUCKET: u32 = 0x01;
/// Page sizes that a file may have.
const SIZES: std::ops::RangeInclusive<u32> = 9..=16;
/// A tree deeper than this goes in circles.
const DEPTH: usize = 64;

pub(super) struct Bolt {
    file: Bytes,
    page_size: usize,
    root: u64,
}

/// One key of a bucket; in the root, one bucket.
pub(super) struct Item {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    is_bucket: bool,
}

/// The contents of a meta page.
struct Meta {
    page_size: usize,
    root: u64,
    txid: u64,
}

impl Bolt {
    pub(super) fn open(file: Bytes) -> Result<Self> {
        let first = meta(&file, 0);
        let sizes = SIZES.map(|power| 1usize << power);
        // The second meta page lies where the first one's page ends, which only a whole first one says.
        let second = match &first {
            Ok(first) => meta(&file, first.page_size),
            Err(_) => { sizes }
                .filter_map(|size| meta(&file, size).ok().filter(|m| m.page_size == size))
                .next()
                .context("neither meta page is whole"),
        };
        let newest = match (first, second) {
            (Ok(first), Ok(second)) if second.txid > first.txid => second,
            (Ok(first), _) => first,
            (Err(_), Ok(second)) => second,
            (Err(why), Err(_)) => return Err(why.context("it is no bbolt file")),
        };
        Ok(Self {
            file,
            page_size: newest.page_size,
            root: newest.root,
        })
    }

    /// Everything in a bucket of the root, in key order; `None` when there is no such bucket.
    pub(super) fn bucket(&self, name: &[u8]) -> Result<Option<Vec<Item>>> {
        let mut found = None;
        for item in self.tree(self.root).context("the root bucket")? {
            if item.is_bucket && item.key == name {
                found = Some(item.value);
            }
        }
        let Some(header) = found else { return Ok(None) };
        let named = || format!("bucket {}", String::from_utf8_lossy(name));
        let root = u64::from_le_bytes(array(&header, 0).with_context(named)?);
        if root != 0 {
            return self.tree(root).with_context(named).map(Some);
        }
        // A small one lies in its parent's page.
        let mut items = Vec::new();
        let page = header.slice(BUCKET_HEADER.min(header.len())..);
        leaf(&page, &mut items).with_context(named)?;
        Ok(Some(items))
    }

    fn tree(&self, root: u64) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let mut budget = self.file.len() / self.page_size + 1;
        self.visit(root, DEPTH, &mut budget, &mut items)?;
        Ok(items)
    }

    fn visit(&self, id: u64, depth: usize, budget: &mut usize, into: &mut Vec<Item>) -> Result<()> {
        ensure!(
            depth > 0 && *budget > 0,
            "page {id}: the pages go in circles"
        );
        *budget -= 1;
        let page = self.page(id)?;
        let (flags, count) = head(&page)?;
        match flags {
            LEAF => leaf(&page, into).with_context(|| format!("page {id}")),
            BRANCH => {
                for n in 0..count {
                    let at = PAGE_HEADER + n * ELEMENT;
                    let child = array(&page, at + 8).with_context(|| format!("page {id}"))?;
                    self.visit(u64::from_le_bytes(child), depth - 1, budget, into)?;
                }
                Ok(())
            }
            other => bail!("page {id} is of kind {other:#x}, where keys should be"),
        }
    }

    /// A page with the pages that it runs over into.
    fn page(&self, id: u64) -> Result<Bytes> {
        let lost = || format!("page {id} lies outside of the file");
        let begin = usize::try_from(id).ok();
        let begin = begin.and_then(|id| id.checked_mul(self.page_size));
        let begin = begin.filter(|begin| begin + PAGE_HEADER <= self.file.len());
        let begin = begin.with_context(lost)?;
        let own = u64::from_le_bytes(array(&self.file, begin)?);
        ensure!(own == id, "page {id} says that it is page {own}");
        let overflow = u32::from_le_bytes(array(&self.file, begin + 12)?) as usize;
        let size = (overflow + 1).checked_mul(self.page_size);
        let end = size.and_then(|size| begin.checked_add(size));
        let end = end
            .filter(|end| *end <= self.file.len())
            .with_context(lost)?;
        Ok(self.file.slice(begin..end))
    }
}

fn head(page: &[u8]) -> Result<(u16, usize)> {
    let flags = u16::from_le_bytes(array(page, 8)?);
    let count = u16::from_le_bytes(array(page, 10)?);
    Ok((flags, count.into()))
}

fn leaf(page: &Bytes, into: &mut Vec<Item>) -> Result<()> {
    let (flags, count) = head(page)?;
    ensure!(flags == LEAF, "it is of kind {flags:#x}, not a leaf");
    for n in 0..count {
        let at = PAGE_HEADER + n * ELEMENT;
        let number = |field: usize| array(page, at + 4 * field).map(u32::from_le_bytes);
        let (flags, place) = (number(0)?, number(1)? as usize);
        let (key, value) = (number(2)? as usize, number(3)? as usize);
        let begin = at.checked_add(place);
        let cut = begin.and_then(|begin| Some((begin, begin.checked_add(key)?)));
        let cut = cut.and_then(|(begin, cut)| Some((begin, cut, cut.checked_add(value)?)));
        let cut = cut.filter(|(.., end)| *end <= page.len());
        let (begin, cut, end) =
            cut.with_context(|| format!("element {n} lies outside of its page"))?;
        into.push(Item {
            key: page.slice(begin..cut),
            value: page.slice(cut..end),
            is_bucket: flags & IS_BUCKET != 0,
        });
    }
    Ok(())
}

fn meta(file: &[u8], at: usize) -> Result<Meta> {
    let flags = u16::from_le_bytes(array(file, at + 8)?);
    ensure!(flags == META_PAGE, "the page at {at} is no meta page");
    let body = at + PAGE_HEADER;
    let number = |offset: usize| array(file, body + offset).map(u32::from_le_bytes);
    let long = |offset: usize| array(file, body + offset).map(u64::from_le_bytes);
    ensure!(
        number(0)? == MAGIC,
        "the meta page at {at} has another magic"
    );
    let version = number(4)?;
    ensure!(version == VERSION, "bbolt's format {version} is not known");
    let sum = fnv(file
        .get(body..body + META)
        .context("the meta page is cut short")?);
    ensure!(long(META)? == sum, "the meta page at {at} does not check");
    let page_size = number(8)? as usize;
    let known = SIZES
        .map(|power| 1 << power)
        .any(|size: usize| size == page_size);
    ensure!(known, "pages of {page_size} bytes are not known");
    Ok(Meta {
        page_size,
        root: long(16)?,
        txid: long(48)?,
    })
}

/// FNV-1a, 64 bits: what meta pages are checked with.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let end = at.checked_add(N).context("it is cut short")?;
    let found = bytes.get(at..end).context("it is cut short")?;
    Ok(found.try_into()?)
}
