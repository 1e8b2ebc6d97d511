//! Reads all of a state and checks it: every record against its checksum, and the families against each other.

use std::ops::ControlFlow;

use super::State;
use crate::layout::{EXPIRY, VERSIONS, record};
use crate::{Error, Revision};

/// What a state holds, every record of it checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The last revision, and the oldest that can be read.
    pub revision: u64,
    pub compacted: u64,
    pub keys: u64,
    pub versions: u64,
    pub changes: u64,
}

impl State {
    /// Checks everything; the first thing that is wrong is named.
    pub(crate) fn verify(&self) -> Result<Contents, Error> {
        let view = self.view()?;
        let stand = view.stand;
        let mut contents = Contents {
            revision: stand.revision,
            compacted: stand.compacted,
            ..Contents::default()
        };
        let mut late = None;
        view.visit_latest(b"", b"", |entry| {
            contents.keys += 1;
            if entry.mod_revision.0 > stand.revision {
                late = Some(entry.key);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if let Some(key) = late {
            return Err(self.damaged(&String::from_utf8_lossy(&key), "it is newer than the state"));
        }
        contents.versions = self.count_checked(&view)?;
        let mut last = (stand.compacted, 0);
        view.visit_changes(stand.compacted, |revision, ordinal, change| {
            let follows = (revision, ordinal) > last || contents.changes == 0;
            if !follows || revision > stand.revision {
                let what = format!("change {revision}.{ordinal} is out of order");
                return Err(self.damaged("changes", &what));
            }
            last = (revision, ordinal);
            contents.changes += 1;
            let event = view.event(revision, change)?;
            debug_assert_eq!(event.revision, Revision(revision));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(contents)
    }

    /// Checks the rows of the families that nothing above has read; how many versions there are.
    fn count_checked(&self, view: &super::View<'_>) -> Result<u64, Error> {
        let mut versions = 0;
        for family in [VERSIONS, EXPIRY] {
            let mut rows = view.scan(family, Vec::new(), None);
            rows.seek_to_first();
            while let Some((row, bytes)) = rows.item() {
                if family == VERSIONS {
                    view.check_version(row, bytes)?;
                    versions += 1;
                } else {
                    let [_] = record::decode_numbers(row, bytes)
                        .map_err(|what| self.damaged("an expiry row", &what))?;
                }
                rows.next();
            }
            view.ended(&rows)?;
        }
        Ok(versions)
    }
}
