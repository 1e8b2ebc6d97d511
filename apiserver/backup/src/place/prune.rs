//! Removing old backups, and then the files that none of the rest needs. A manifest goes before its files do, so a backup that is
//! there is whole at every moment.

use std::collections::HashSet;

use super::{FILES, Place, marks};
use crate::manifest::ENDING;
use crate::{Error, Manifest, Result};

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub backups: Vec<String>,
    pub files: usize,
    pub bytes: u64,
    pub kept: usize,
    /// Of the archive of the log.
    pub segments: usize,
    /// Backups that are being saved: until they are done, files stay.
    pub saving: Vec<String>,
}

impl Place {
    /// Of the backups that are meant, keeps the newest and removes the others.
    pub fn prune(
        &self,
        keep: usize,
        dry_run: bool,
        meant: &dyn Fn(&Manifest) -> bool,
    ) -> Result<Pruned> {
        if keep == 0 {
            return Err(Error::Refused("at least one backup is kept".into()));
        }
        let place = self.destination.as_ref();
        let pruning = (!dry_run)
            .then(|| marks::Pruning::begin(place))
            .transpose()?;
        let (mut old, mut rest): (Vec<Manifest>, Vec<Manifest>) =
            self.all()?.into_iter().partition(meant);
        rest.extend(old.split_off(old.len().saturating_sub(keep)));
        let mut pruned = Pruned {
            kept: rest.len(),
            saving: pruning
                .as_ref()
                .map(|p| p.saving.clone())
                .unwrap_or_default(),
            ..Pruned::default()
        };
        for manifest in &old {
            if !dry_run {
                place.remove(&format!("{}{ENDING}", manifest.name))?;
            }
            pruned.backups.push(manifest.name.clone());
        }
        if pruned.saving.is_empty() {
            self.free(&rest, dry_run, &mut pruned)?;
        }
        if !pruned.backups.is_empty() {
            pruned.segments = self.prune_segments(&rest, dry_run)?;
        }
        Ok(pruned)
    }

    fn free(&self, rest: &[Manifest], dry_run: bool, pruned: &mut Pruned) -> Result<()> {
        let files = rest.iter().flat_map(|manifest| &manifest.files);
        let needed: HashSet<&str> = files.map(|file| file.stored.as_str()).collect();
        for item in self.stored()? {
            if needed.contains(item.name.as_str()) {
                continue;
            }
            if !dry_run {
                self.destination.remove(&format!("{FILES}{}", item.name))?;
            }
            pruned.files += 1;
            pruned.bytes += item.size;
        }
        Ok(())
    }
}
