//! Names what lies in a data directory and is nobody's: a start removes most of it.

use std::fs;
use std::path::Path;

use super::findings::Findings;
use crate::Error;
use crate::recover::UNFINISHED;

/// What belongs there.
const KNOWN: [&str; 5] = ["lock", "identity", "log.floor", "log", "state.current"];

pub(super) fn look(dir: &Path, state: &str, found: &mut Findings) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::Io {
        what: format!("listing {}", dir.display()),
        why: e.to_string(),
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        if KNOWN.contains(&name.as_str()) || name == state {
            continue;
        }
        let what = match name.as_str() {
            UNFINISHED => "a recovery was begun and not ended: run `triadctl recover` again",
            "incoming" => "what arrived of another member's state",
            _ if name.starts_with("state") => {
                "a state that was replaced; the next start removes it"
            }
            _ if name.starts_with("outgoing-") => {
                "a copy made for another member; the next start removes it"
            }
            _ => "nothing of the store's",
        };
        found.note(format!("{}: {what}", dir.join(name).display()));
    }
    Ok(())
}
