//! Saving and pruning keep out of each other's way: a file that one backup has just counted on must not be pruned as needed by none.
//! Each leaves its mark first and looks for the other's then; a mark that a crash has left counts for a day.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::destination::{self, Destination};
use crate::{Error, Result};

const FOLDER: &str = "marks/";
const PRUNING: &str = "pruning";
const SAVING: &str = "saving-";
/// After so many seconds whoever left a mark is taken to be gone.
const GOOD_FOR: u64 = 24 * 3600;

/// A save under way; its mark goes with it.
pub(super) struct Saving<'a> {
    _mark: Mark<'a>,
}

impl<'a> Saving<'a> {
    pub(super) fn begin(place: &'a dyn Destination, name: &str) -> Result<Option<Self>> {
        if !place.holds_many() {
            return Ok(None);
        }
        let mark = Mark::leave(place, format!("{SAVING}{name}"))?;
        if fresh(place)?.iter().any(|other| other == PRUNING) {
            let what = "old backups are being pruned there: try again later";
            return Err(Error::Refused(what.into()));
        }
        Ok(Some(Self { _mark: mark }))
    }
}

/// Whether the files that no backup needs may be removed: nothing is being saved.
pub(super) struct Pruning<'a> {
    _mark: Mark<'a>,
    /// What is being saved.
    pub(super) saving: Vec<String>,
}

impl<'a> Pruning<'a> {
    pub(super) fn begin(place: &'a dyn Destination) -> Result<Self> {
        let mark = Mark::leave(place, PRUNING.into())?;
        let mut saving = fresh(place)?;
        saving.retain(|other| other.starts_with(SAVING));
        Ok(Self {
            _mark: mark,
            saving,
        })
    }
}

struct Mark<'a> {
    place: &'a dyn Destination,
    name: String,
}

impl<'a> Mark<'a> {
    fn leave(place: &'a dyn Destination, mark: String) -> Result<Self> {
        let name = format!("{FOLDER}{mark}");
        let text = now().to_string();
        if !destination::put(place, &name, text.as_bytes())? {
            if fresh(place)?.contains(&mark) {
                let shown = place.describe(&name);
                let what = format!(
                    "another does this there ({shown}): try again when it is done, or remove that mark when nobody is"
                );
                return Err(Error::Refused(what));
            }
            place.remove(&name)?;
            destination::put(place, &name, text.as_bytes())?;
        }
        Ok(Self { place, name })
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        // What stays behind counts for a day only.
        let _ = self.place.remove(&self.name);
    }
}

/// The marks of those who are taken to be at work.
fn fresh(place: &dyn Destination) -> Result<Vec<String>> {
    let mut fresh = Vec::new();
    for item in place.list(FOLDER)? {
        let text = match destination::read_all(place, &format!("{FOLDER}{}", item.name)) {
            Err(Error::Missing(_)) => continue,
            other => other?,
        };
        let left = String::from_utf8_lossy(&text).trim().parse().unwrap_or(0);
        if now().saturating_sub(left) < GOOD_FOR {
            fresh.push(item.name);
        }
    }
    Ok(fresh)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
