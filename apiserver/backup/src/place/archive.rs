//! The archive of a cluster's log, beside its backups: segments named by cluster, first and last entry and the term they were
//! taken in. Two leaders may each have taken the same entries: which come twice are the same ones.

use std::io::Cursor;

use super::Place;
use crate::{Error, Manifest, Meter, Result, destination, is_plain, seal};

const FOLDER: &str = "archive/";
/// How the names of records about lost entries end.
const GAP: &str = ".gap";

/// One segment that lies there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    pub first: u64,
    pub last: u64,
    pub term: u64,
    name: String,
}

impl SegmentName {
    fn parse(name: &str) -> Option<Self> {
        let (numbers, _) = name.split_once('.')?;
        let mut numbers = numbers.split('-').map(|n| u64::from_str_radix(n, 16).ok());
        Some(Self {
            first: numbers.next()??,
            last: numbers.next()??,
            term: numbers.next()??,
            name: name.to_owned(),
        })
    }
}

fn folder(cluster: &str) -> Result<String> {
    if !is_plain(cluster) {
        let what = format!("{cluster:?} is no id of a cluster");
        return Err(Error::Refused(what));
    }
    Ok(format!("{FOLDER}{cluster}/"))
}

impl Place {
    /// Adds a segment; false when it lies there already.
    pub fn put_segment(
        &self,
        cluster: &str,
        first: u64,
        last: u64,
        term: u64,
        bytes: &[u8],
    ) -> Result<bool> {
        let ending = seal::ending(&self.keys);
        let name = format!(
            "{}{first:016x}-{last:016x}-{term:x}{ending}",
            folder(cluster)?
        );
        let mut from = Cursor::new(bytes);
        let place = self.destination.as_ref();
        let put = seal::write(place, &name, &self.keys, &mut from, &Meter::none())?;
        Ok(put.is_some())
    }

    /// Says for good that entries were lost to the archive.
    pub fn put_gap(&self, cluster: &str, first: u64, last: u64, why: &str) -> Result<()> {
        let name = format!("{}{first:016x}-{last:016x}-0{GAP}", folder(cluster)?);
        destination::put(self.destination.as_ref(), &name, why.as_bytes()).map(|_| ())
    }

    /// The segments of a cluster, by their first entry.
    pub fn segments(&self, cluster: &str) -> Result<Vec<SegmentName>> {
        self.archived(cluster, |name| !name.ends_with(GAP))
    }

    /// The entries that are known to be lost, as segments that hold nothing.
    pub fn gaps(&self, cluster: &str) -> Result<Vec<SegmentName>> {
        self.archived(cluster, |name| name.ends_with(GAP))
    }

    fn archived(&self, cluster: &str, which: fn(&str) -> bool) -> Result<Vec<SegmentName>> {
        let mut segments = Vec::new();
        for item in self.destination.list(&folder(cluster)?)? {
            if !which(&item.name) {
                continue;
            }
            let segment = SegmentName::parse(&item.name).ok_or_else(|| {
                let shown = self
                    .destination
                    .describe(&format!("{FOLDER}{cluster}/{}", item.name));
                Error::damaged(shown, "its name is not that of a segment")
            })?;
            segments.push(segment);
        }
        segments.sort();
        Ok(segments)
    }

    /// What a segment holds, and where it lies, for messages.
    pub fn read_segment(&self, cluster: &str, segment: &SegmentName) -> Result<(String, Vec<u8>)> {
        let name = format!("{}{}", folder(cluster)?, segment.name);
        let mut bytes = Vec::new();
        let place = self.destination.as_ref();
        seal::read(place, &name, &self.keys, &mut bytes, &Meter::none())?;
        Ok((place.describe(&name), bytes))
    }

    /// Removes the segments that lie wholly before the oldest backup of their cluster: nothing can be brought forward by them.
    pub(super) fn prune_segments(&self, rest: &[Manifest], dry_run: bool) -> Result<usize> {
        let mut clusters: Vec<&str> = rest.iter().map(|m| m.about.cluster.as_str()).collect();
        clusters.sort_unstable();
        clusters.dedup();
        let mut removed = 0;
        for cluster in clusters {
            let of_it = rest.iter().filter(|m| m.about.cluster == cluster);
            let oldest = of_it.map(|m| m.about.applied.index).min().unwrap_or(0);
            for segment in self.archived(cluster, |_| true)? {
                if segment.last > oldest {
                    continue;
                }
                if !dry_run {
                    let name = format!("{}{}", folder(cluster)?, segment.name);
                    self.destination.remove(&name)?;
                }
                removed += 1;
            }
        }
        Ok(removed)
    }
}
