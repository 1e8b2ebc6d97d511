//! Restoring a moment between backups: the newest backup before it, brought forward by the archive of the log.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use triad_backup::{Manifest, Place};
use triad_kv::{Replay, Until};

use super::moment;

/// Which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(Until);

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self(Until::End));
        }
        if let Ok(revision) = text.parse() {
            return Ok(Self(Until::Revision(revision)));
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).ok();
        let seconds = time.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
        seconds.map(|s| Self(Until::Time(s))).ok_or_else(|| {
            "neither a time as 2026-01-31T12:00:00Z, nor a revision, nor `latest`".into()
        })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Until::Revision(revision) => write!(f, "revision {revision}"),
            Until::Time(seconds) => write!(f, "{}", moment(seconds)),
            Until::End => write!(f, "the end of the archive"),
        }
    }
}

impl At {
    /// The newest backup that holds nothing later, of the cluster that the newest backup is of.
    pub(super) fn base(self, place: &Place, named: Option<&str>) -> Result<Manifest> {
        let newest = place.find(named)?;
        let all = match named {
            Some(_) => vec![newest.clone()],
            None => place.all()?,
        };
        let before = |manifest: &Manifest| match self.0 {
            Until::Revision(revision) => manifest.about.revision <= revision,
            Until::Time(seconds) => manifest.about.latest <= seconds,
            Until::End => true,
        };
        let of_it = all
            .iter()
            .filter(|m| m.about.cluster == newest.about.cluster);
        let fitting = of_it
            .filter(|m| before(m))
            .max_by_key(|m| m.about.applied.index);
        match fitting {
            Some(manifest) => Ok(manifest.clone()),
            None => bail!(
                "no backup of cluster {} is from before {self}",
                newest.about.cluster
            ),
        }
    }

    /// Brings the backup's state forward; what was reached, in words.
    pub(super) fn bring(self, place: &Place, base: &Manifest, state: &Path) -> Result<String> {
        let cluster = &base.about.cluster;
        let number = u64::from_str_radix(cluster, 16)
            .with_context(|| format!("{cluster:?} is no id of a cluster"))?;
        let mut replay = Replay::open(state, number, self.0)?;
        let mut read = 0;
        for segment in place.segments(cluster)? {
            if replay.is_met() || segment.last < replay.next() {
                continue;
            }
            if segment.first > replay.next() {
                // What comes behind a gap starts from another backup.
                break;
            }
            let (shown, bytes) = place.read_segment(cluster, &segment)?;
            replay.feed(&shown, &bytes)?;
            read += 1;
        }
        let next = replay.next();
        let reached = replay.finish()?;
        if reached.met {
            return Ok(format!(
                "brought forward to revision {} by {read} segments",
                reached.revision
            ));
        }
        let gap = place
            .gaps(cluster)?
            .into_iter()
            .find(|gap| gap.first >= next);
        let why = match gap {
            Some(gap) => format!(
                "entries {} to {} are lost to the archive",
                gap.first, gap.last
            ),
            None => "the archive ends there: `--at latest` restores it".to_owned(),
        };
        bail!(
            "{self} is not reached: behind backup {} there is revision {}{}; {why}",
            base.name,
            reached.revision,
            match reached.time {
                0 => String::new(),
                time => format!(", of {}", moment(time)),
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_a_revision_or_the_latest() {
        let at = |text: &str| text.parse::<At>().map(|at| at.0);
        assert_eq!(at("42"), Ok(Until::Revision(42)));
        assert_eq!(at("latest"), Ok(Until::End));
        assert_eq!(at("1970-01-01T01:00:07+01:00"), Ok(Until::Time(7)));
        assert!(at("yesterday").is_err() && at("-1").is_err());
        assert_eq!(At(Until::Time(7)).to_string(), "1970-01-01T00:00:07Z");
    }
}
