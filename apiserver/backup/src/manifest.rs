//! `NAME.json`: what a backup is of and which files it is made of, with a checksum over itself. It is written last, and its being
//! there is what makes a backup.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result, hex, is_plain};

pub(crate) const ENDING: &str = ".json";
/// The version of this form; what is newer is not read.
const FORMAT: u32 = 1;

/// What a backup is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub cluster: String,
    pub revision: u64,
    /// The member that it was made on.
    pub node: String,
    /// Unix seconds.
    pub time: u64,
    /// No change in it was proposed later than this, by the clock in the commands.
    pub latest: u64,
    pub applied: Applied,
}

/// The last log entry that the state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub term: u64,
    pub index: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    pub name: String,
    #[serde(flatten)]
    pub about: About,
    pub files: Vec<File>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// What it is called in the backup: `state/...` and `pki/...`.
    pub name: String,
    pub size: u64,
    pub sha256: String,
    /// What it is called under `files/`.
    #[serde(default)]
    pub stored: String,
}

/// What lies on disk.
#[derive(Serialize, Deserialize)]
struct Envelope {
    backup: serde_json::Value,
    /// Of `backup` in its shortest form.
    sha256: String,
}

impl Manifest {
    pub(crate) fn new(name: &str, about: About, files: Vec<File>) -> Self {
        Self {
            format: FORMAT,
            name: name.to_owned(),
            about,
            files,
        }
    }

    /// Bytes of all its files, as they were.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.files
            .iter()
            .any(|f| crate::seal::is_encrypted(&f.stored))
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let failed = |e| Error::io("cannot write a manifest", e);
        let backup = serde_json::to_value(self).map_err(failed)?;
        let envelope = Envelope {
            sha256: hex(&Sha256::digest(backup.to_string())),
            backup,
        };
        let mut text = serde_json::to_vec_pretty(&envelope).map_err(failed)?;
        text.push(b'\n');
        Ok(text)
    }

    pub(crate) fn decode(shown: &str, text: &[u8]) -> Result<Self> {
        let damaged = |what: String| Error::damaged(shown, what);
        let envelope: Envelope = serde_json::from_slice(text)
            .map_err(|e| damaged(format!("it is no manifest of a backup: {e}")))?;
        if hex(&Sha256::digest(envelope.backup.to_string())) != envelope.sha256 {
            return Err(damaged("it is not what its checksum says".into()));
        }
        if envelope.backup["format"] != FORMAT {
            let what = format!(
                "{shown} is of format {}: this version reads format {FORMAT}",
                envelope.backup["format"]
            );
            return Err(Error::Refused(what));
        }
        let manifest: Self = serde_json::from_value(envelope.backup)
            .map_err(|e| damaged(format!("it lacks something: {e}")))?;
        let good = |file: &File| {
            let (_, name) = file.name.split_once('/').unwrap_or_default();
            is_plain(&file.stored) && is_plain(name)
        };
        match manifest.files.iter().find(|file| !good(file)) {
            Some(file) => Err(damaged(format!("it names {:?}", file.name))),
            None => Ok(manifest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_manifest_is_found_and_a_hostile_one_reaches_nothing() {
        let file = |name: &str, stored: &str| File {
            name: name.into(),
            size: 3,
            sha256: "ab".into(),
            stored: stored.into(),
        };
        let about = About {
            revision: 7,
            ..About::default()
        };
        let whole = Manifest::new("one", about, vec![file("state/1.sst", "ab.3.zst")]);
        let text = whole.encode().unwrap();
        assert_eq!(Manifest::decode("one.json", &text).unwrap(), whole);
        let changed = String::from_utf8(text.clone())
            .unwrap()
            .replace("\"size\": 3", "\"size\": 4");
        let error = Manifest::decode("one.json", changed.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("one.json is damaged"), "{error}");
        let error = Manifest::decode("one.json", &text[..40]).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }));
        for (name, stored) in [("state/../x", "a"), ("state/a", "../a"), ("state", "a")] {
            let text = Manifest::new("x", About::default(), vec![file(name, stored)]).encode();
            assert!(
                Manifest::decode("x.json", &text.unwrap()).is_err(),
                "{name} {stored}"
            );
        }
    }
}
