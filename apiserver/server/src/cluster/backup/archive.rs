//! The archive: the leader copies the committed log to a place of backups, segment by segment, so that a backup can be brought
//! forward to any moment since. Followers keep their log until the leader's archive has it, so that the next leader goes on
//! behind the last segment. What was lost to the archive is recorded as a gap, and a new backup begins it anew.

use super::checkpoint::Checkpoint;
use super::schedule::save;
use crate::api::Api;
use crate::clock::Clock;
use crate::options::Config;
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use triad_backup::Place;
use triad_kv::{Segment, Shipment};

/// How often there is a look for what is new; as much may be lost with all members at once.
const INTERVAL: Duration = Duration::from_secs(5);
/// Bytes of log in one segment.
const SEGMENT_BYTES: usize = 4 << 20;
/// How much log is kept for an archive that cannot be reached.
const HELD_BYTES: u64 = 4 << 30;
/// How the names of backups begin that the archive starts from.
pub(super) const PREFIX: &str = "base-";

/// How much of the log the store keeps for the archive.
pub(crate) fn held_log_bytes(config: &Config) -> Option<u64> {
    config.backups.archive.as_ref().map(|_| HELD_BYTES)
}

/// Runs as long as the server, on every member.
pub(crate) async fn archive(api: Arc<Api>) {
    let Some(dest) = api.config.backups.archive.clone() else {
        return;
    };
    let mut leading = None;
    let mut silent = false;
    loop {
        if api.store.health().leader {
            let archiver = leading.get_or_insert_with(|| Archiver::new(dest.clone()));
            let outcome = archiver.ship(&api).await;
            let trouble = outcome.err().map(|error| format!("{error:#}"));
            if let Some(why) = trouble.as_ref().filter(|_| !silent) {
                tracing::warn!(
                    why,
                    dest,
                    "the archive of the log does not go on; it is tried again"
                );
            } else if silent && trouble.is_none() {
                tracing::info!(dest, "the archive of the log goes on");
            }
            silent = trouble.is_some();
            api.reporter.set_archive(archiver.status(trouble));
        } else {
            leading = None;
            follow(&api).await;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A follower gives up the log that the leader's archive has.
async fn follow(api: &Api) {
    api.reporter.set_archive(Value::Null);
    if let Some(index) = api.reporter.leaders_archive().await["index"].as_u64() {
        // A store that is down holds nothing, and begins by holding all.
        let _ = api.store.hold_log(index + 1);
    }
}

/// What the leader knows of the archive.
struct Archiver {
    dest: String,
    place: Option<Arc<Place>>,
    /// The entry that comes next; unknown until the archive was looked into.
    next: Option<u64>,
    segments: u64,
    time: u64,
    shipped: Option<String>,
    gap: Option<Value>,
}

impl Archiver {
    fn new(dest: String) -> Self {
        Self {
            dest,
            place: None,
            next: None,
            segments: 0,
            time: 0,
            shipped: None,
            gap: None,
        }
    }

    fn status(&self, trouble: Option<String>) -> Value {
        json!({
            "dest": self.dest,
            "index": self.next.map(|next| next - 1),
            "time": (self.time > 0).then(|| triad_machinery::duration::format_time(self.time.cast_signed())),
            "segments": self.segments,
            "shipped": self.shipped,
            "gap": self.gap,
            "trouble": trouble,
        })
    }

    /// Copies all that is new.
    async fn ship(&mut self, api: &Arc<Api>) -> Result<()> {
        let place = self.place(api).await?;
        let cluster = format!("{:016x}", api.store.identity()?.cluster);
        let mut next = match self.next {
            Some(next) => next,
            None => self.begin(api, &place, &cluster).await?,
        };
        loop {
            self.next = Some(next);
            api.store.hold_log(next)?;
            match api.store.shipment(next, SEGMENT_BYTES).await? {
                Shipment::Nothing => return Ok(()),
                Shipment::Purged { upto } => {
                    next = self.lost(api, &place, &cluster, next, upto).await?;
                }
                Shipment::Segment(segment) => {
                    let (last, time) = (segment.last, segment.time);
                    put(place.clone(), cluster.clone(), segment).await?;
                    self.segments += 1;
                    self.time = self.time.max(time);
                    self.shipped = Some(Clock.now());
                    next = last + 1;
                }
            }
        }
    }

    async fn place(&mut self, api: &Api) -> Result<Arc<Place>> {
        if let Some(place) = &self.place {
            return Ok(place.clone());
        }
        let (dest, keys) = (self.dest.clone(), api.backer.keys.clone());
        let opened = blocking(move || Ok(Place::make(&dest, keys)?)).await?;
        Ok(self.place.insert(Arc::new(opened)).clone())
    }

    /// Goes on behind what is there, as long as a backup is there that it continues; else begins with a new one.
    async fn begin(&self, api: &Arc<Api>, place: &Arc<Place>, cluster: &str) -> Result<u64> {
        let (there, of) = (place.clone(), cluster.to_owned());
        let reach = blocking(move || Ok(reach(&there, &of)?)).await?;
        match reach {
            Some(index) => Ok(index + 1),
            None => base(api, place).await,
        }
    }

    /// The log gave up entries before they were copied: that is said for good, and a new backup begins the archive anew.
    async fn lost(
        &mut self,
        api: &Arc<Api>,
        place: &Arc<Place>,
        cluster: &str,
        first: u64,
        last: u64,
    ) -> Result<u64> {
        let why = format!(
            "the log had to be given up before it was copied; noticed {}\n",
            Clock.now()
        );
        tracing::error!(
            first,
            last,
            "entries are lost to the archive: no moment between the last one copied and a new backup can be restored"
        );
        self.gap = Some(json!({"first": first, "last": last, "noticed": Clock.now()}));
        let (there, of) = (place.clone(), cluster.to_owned());
        blocking(move || Ok(there.put_gap(&of, first, last, &why)?)).await?;
        base(api, place).await
    }
}

/// The last entry that the archive has. Segments count when they lead there from a backup without a gap; else it goes on behind
/// the newest backup.
fn reach(place: &Place, cluster: &str) -> triad_backup::Result<Option<u64>> {
    let backups = place.all()?;
    let of_it = backups.iter().filter(|m| m.about.cluster == cluster);
    let backups: Vec<u64> = of_it.map(|m| m.about.applied.index).collect();
    let segments = place.segments(cluster)?;
    let last = segments.iter().map(|s| s.last).max().unwrap_or(0);
    let before = backups.iter().copied().filter(|index| *index <= last);
    let led = before.max().map(|start| {
        segments.iter().fold(start, |reach, segment| {
            let follows = segment.first <= reach + 1;
            if follows {
                reach.max(segment.last)
            } else {
                reach
            }
        })
    });
    Ok(led
        .filter(|reach| *reach == last)
        .or(backups.into_iter().max()))
}

/// Makes a backup to begin with; the entry that comes behind it.
async fn base(api: &Arc<Api>, place: &Arc<Place>) -> Result<u64> {
    let made = Checkpoint::make(api).await?;
    let (place, data) = (place.clone(), api.config.data_dir.clone());
    let (about, saved) = blocking(move || Ok(save(&place, PREFIX, &made, &data)?)).await?;
    tracing::info!(
        name = saved.name,
        revision = about.revision,
        "the archive begins with a backup"
    );
    Ok(about.applied.index + 1)
}

async fn put(place: Arc<Place>, cluster: String, segment: Segment) -> Result<()> {
    let put = move || {
        let Segment {
            first, last, term, ..
        } = segment;
        // One that is there already holds the same.
        place.put_segment(&cluster, first, last, term, &segment.bytes)?;
        Ok(())
    };
    blocking(put).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| anyhow!(error))
        .context("the work on the archive ended early")?
}

#[cfg(test)]
mod tests {
    use super::*;
    use triad_backup::{About, Applied, Error, Keys, Meter};

    const CLUSTER: &str = "00aa";

    fn backup(place: &Place, index: u64) {
        let about = About {
            cluster: CLUSTER.into(),
            applied: Applied { term: 1, index },
            time: index,
            ..About::default()
        };
        let mut none = |_: &triad_backup::File| Err(Error::Missing("there is no file".into()));
        let saved = place.save(
            &format!("b{index}"),
            about,
            vec![],
            &mut none,
            &Meter::none(),
        );
        saved.unwrap();
    }

    #[test]
    fn a_new_leader_goes_on_behind_the_last_segment_that_leads_on_from_a_backup() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(&dir.path().display().to_string(), Keys::default()).unwrap();
        let put = |first, last, term| place.put_segment(CLUSTER, first, last, term, b"x").unwrap();
        let reach = || reach(&place, CLUSTER).unwrap();
        put(5, 9, 1);
        assert_eq!(reach(), None, "segments without a backup are of no use");
        backup(&place, 10);
        assert_eq!(reach(), Some(10));
        put(11, 20, 1);
        // Two leaders have taken the same entries.
        put(15, 24, 2);
        put(21, 30, 1);
        assert_eq!(reach(), Some(30));
        // A scheduled backup ahead of the segments does not make a hole between them.
        backup(&place, 40);
        assert_eq!(reach(), Some(30));
        // What does not lead on counts for nothing: the newest backup does.
        put(45, 50, 3);
        assert_eq!(reach(), Some(40));
        backup(&place, 44);
        assert_eq!(reach(), Some(50));
        assert_eq!(super::reach(&place, "00bb").unwrap(), None);
    }
}
