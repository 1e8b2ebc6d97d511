//! `triadctl verify`: whether a data directory, or a backup, is sound. It reads everything and writes nothing there.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};
use triad_kv::{Entry, Examined, Finding, examine, examine_copy};

use crate::backup;
use crate::cluster::Form;
use crate::stored::{self, Stored};

/// Exit codes: what is wrong is on standard output then, or why nothing can be said.
pub const DAMAGED: u8 = 1;
pub const CANNOT_SAY: u8 = 2;

#[derive(Args)]
#[command(
    after_help = "Exit codes: 0 sound; 1 damaged, each finding with its file, key and revision; 2 cannot say (in use, unreadable, no data directory)"
)]
pub struct Verify {
    /// A data directory whose server is stopped, or a place of backups with what opens it
    #[command(flatten)]
    pub from: backup::From,
    /// How to print it
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    pub form: Form,
}

/// What is printed, and the outcome.
pub struct Verdict {
    pub text: String,
    pub code: u8,
}

/// Examines whatever lies there.
///
/// # Errors
/// Why nothing can be said about it.
pub fn run(options: &Verify) -> Result<Verdict, String> {
    let mut values = Values::default();
    let examined = look(&options.from, &mut values).map_err(|e| format!("{e:#}"))?;
    let sound = examined.findings.is_empty();
    let text = match options.form {
        Form::Table => plain(Path::new(&options.from.dest), &examined, &values),
        form => crate::cluster::document(&structured(&examined, &values), form),
    };
    Ok(Verdict {
        text,
        code: if sound { 0 } else { DAMAGED },
    })
}

fn look(from: &backup::From, values: &mut Values) -> anyhow::Result<Examined> {
    let dir = Path::new(&from.dest);
    let mut check = |entry: &Entry| values.check(entry);
    let store = dir.join("store");
    let is_store = |dir: &Path| {
        let parts = ["identity", "log", "log.floor", "state"];
        parts.iter().any(|part| dir.join(part).exists())
    };
    if is_store(&store) {
        return Ok(examine(&store, &mut check)?);
    }
    if is_store(dir) {
        return Ok(examine(dir, &mut check)?);
    }
    if dir.join("CURRENT").is_file() {
        return Ok(examine_copy(dir, &mut check)?);
    }
    backup::examine_all(from, &mut check)
}

/// What the values of a store are, while they are checked.
#[derive(Default)]
struct Values {
    objects: u64,
    encrypted: BTreeMap<String, u64>,
    unknown: BTreeMap<String, u64>,
}

impl Values {
    fn check(&mut self, entry: &Entry) -> Option<String> {
        let key = String::from_utf8_lossy(&entry.key);
        match stored::read(&key, &entry.value) {
            Ok(Stored::Object(object)) => {
                self.objects += 1;
                stored::misplaced(&key, &object)
            }
            Ok(Stored::Encrypted(provider)) => {
                *self.encrypted.entry(provider).or_default() += 1;
                None
            }
            Ok(Stored::Unknown(kind)) => {
                *self.unknown.entry(kind).or_default() += 1;
                None
            }
            Ok(Stored::Mark) => None,
            Err(what) => Some(what),
        }
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        let encrypted = self.encrypted.iter().map(|(provider, count)| {
            format!("{count} values are encrypted by {provider}: what is in them was not checked")
        });
        let unknown = self.unknown.iter().map(|(kind, count)| {
            format!("{count} values are of {kind}, which this version does not know")
        });
        encrypted.chain(unknown)
    }
}

fn plain(dir: &Path, examined: &Examined, values: &Values) -> String {
    let mut lines: Vec<String> = examined.findings.iter().map(Finding::to_string).collect();
    if examined.unlisted > 0 {
        lines.push(format!("and {} more", examined.unlisted));
    }
    let notes = examined.notes.iter().cloned().chain(values.notes());
    lines.extend(notes.map(|note| format!("note: {note}")));
    let contents = &examined.contents;
    lines.push(format!(
        "revision {}, history from {}: {} keys, {} versions, {} changes, {} objects decoded",
        contents.revision,
        contents.compacted,
        contents.keys,
        contents.versions,
        contents.changes,
        values.objects
    ));
    if let Some(log) = &examined.log {
        let last = log.last.map_or(0, |at| at.index);
        let first = log.first.map_or("none".into(), |first| first.to_string());
        lines.push(format!(
            "log: entries {first} to {last}, all below {} were on disk; applied up to {}; rolling hash {}",
            log.floor,
            examined.applied.map_or(0, |at| at.index),
            if examined.replayed { "recomputed" } else { "not recomputable, the log no longer begins at its beginning" }
        ));
    }
    let found = examined.findings.len() as u64 + examined.unlisted;
    lines.push(match found {
        0 => format!("{} is sound", dir.display()),
        1 => format!("{} is DAMAGED: 1 finding", dir.display()),
        n => format!("{} is DAMAGED: {n} findings", dir.display()),
    });
    lines.join("\n") + "\n"
}

fn structured(examined: &Examined, values: &Values) -> Value {
    let findings = examined.findings.iter().map(|finding| {
        json!({"file": finding.file, "key": finding.key, "revision": finding.revision, "what": finding.what})
    });
    let notes = examined.notes.iter().cloned().chain(values.notes());
    let contents = &examined.contents;
    json!({
        "sound": examined.findings.is_empty(),
        "findings": findings.collect::<Vec<_>>(),
        "unlisted": examined.unlisted,
        "notes": notes.collect::<Vec<_>>(),
        "revision": contents.revision,
        "compacted": contents.compacted,
        "keys": contents.keys,
        "versions": contents.versions,
        "changes": contents.changes,
        "objects": values.objects,
        "hashRecomputed": examined.replayed,
    })
}
