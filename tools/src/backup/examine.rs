//! Examines every backup of a place, record by record, for `triadctl verify`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use triad_kv::{CheckValue, Examined, Finding, examine_copy};

use super::{From, assemble};

/// What cannot be put together again is damaged; a place that cannot be opened, or a key that is missing, is an error.
pub(crate) fn examine_all(from: &From, value: &mut CheckValue<'_>) -> Result<Examined> {
    let place = from.open()?;
    let (dest, mut all) = (Path::new(&from.dest), Examined::default());
    let (manifests, broken) = match place.scan() {
        Ok(found) => found,
        Err(error) => {
            all.findings.push(damaged(dest.to_path_buf(), error)?);
            return Ok(all);
        }
    };
    // Nothing there is nothing to call sound.
    ensure!(
        !manifests.is_empty() || !broken.is_empty(),
        "{} holds neither a store nor a backup",
        dest.display()
    );
    for error in broken {
        all.findings.push(damaged(dest.to_path_buf(), error)?);
    }
    for manifest in manifests {
        let name = dest.join(&manifest.name);
        let scratch = match assemble(&place, &manifest, &std::env::temp_dir(), false) {
            Ok(scratch) => scratch,
            Err(error) => {
                let error = error.downcast::<triad_backup::Error>()?;
                all.findings.push(damaged(name, error)?);
                continue;
            }
        };
        let mut examined = examine_copy(scratch.path(), value)?;
        for finding in &mut examined.findings {
            // The copy is gone when this is read.
            finding.file = name.join(finding.file.file_name().unwrap_or_default());
        }
        all.findings.append(&mut examined.findings);
        all.unlisted += examined.unlisted;
        all.contents = examined.contents;
        let revision = examined.contents.revision;
        let note = format!("backup {} is of revision {revision}", manifest.name);
        all.notes.push(note);
    }
    Ok(all)
}

fn damaged(file: PathBuf, error: triad_backup::Error) -> Result<Finding> {
    match error {
        triad_backup::Error::Damaged { .. } => Ok(Finding {
            file,
            key: None,
            revision: None,
            what: error.to_string(),
        }),
        other => Err(other.into()),
    }
}
