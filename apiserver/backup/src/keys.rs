//! Whom backups are encrypted to, and what opens them: age recipients and identities, or a passphrase. A passphrase is slow to try
//! by design, so it guards one key of the place (`keys/NAME.age`), and that key the files.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519::{Identity, Recipient};
use sha2::{Digest, Sha256};

use crate::destination::{self, Destination};
use crate::{Error, Result, hex};

/// Cost of one try of a passphrase: 2^17 rounds of scrypt, about half a second and 128 MiB.
const WORK_FACTOR: u8 = 17;
const WORK_FACTOR_MOST: u8 = 20;
pub(crate) const FOLDER: &str = "keys/";

/// What the caller brings.
#[derive(Clone, Default)]
pub struct Keys {
    recipients: Vec<Recipient>,
    identities: Vec<Identity>,
    passphrase: Option<SecretString>,
}

impl Keys {
    /// Recipients are `age1...` themselves or files of them, identities files as `age-keygen` makes them.
    pub fn load(
        recipients: &[String],
        identities: &[PathBuf],
        passphrase_file: Option<&Path>,
    ) -> Result<Self> {
        let mut keys = Self::default();
        for given in recipients {
            if given.starts_with("age1") {
                keys.recipients.push(parse(given, "--recipient")?);
            } else {
                keys.recipients.extend(file_of(Path::new(given))?);
            }
        }
        for path in identities {
            keys.identities.extend(file_of(path)?);
        }
        keys.passphrase = passphrase_file.map(passphrase).transpose()?;
        if !keys.recipients.is_empty() && keys.passphrase.is_some() {
            let what = "a backup is encrypted to recipients or with a passphrase, not both";
            return Err(Error::Refused(what.into()));
        }
        Ok(keys)
    }

    /// Whether what is written with them is encrypted.
    #[must_use]
    pub fn encrypt(&self) -> bool {
        !self.recipients.is_empty() || self.passphrase.is_some()
    }

    /// Opens the key of a place that the passphrase guards, or, to write, makes one when there is none.
    pub(crate) fn unlock(mut self, place: &dyn Destination, write: bool) -> Result<Self> {
        let Some(passphrase) = self.passphrase.take() else {
            return Ok(self);
        };
        let mut kept = place.list(FOLDER)?;
        kept.sort_by(|a, b| a.name.cmp(&b.name));
        for item in &kept {
            let name = format!("{FOLDER}{}", item.name);
            if let Some(identity) = open(place, &name, &passphrase)? {
                self.recipients = vec![identity.to_public()];
                self.identities.push(identity);
                return Ok(self);
            }
        }
        if let Some(first) = kept.first() {
            let name = place.describe(&format!("{FOLDER}{}", first.name));
            return Err(Error::key(
                name,
                "the passphrase is not the one it was closed with",
            ));
        }
        if write {
            let identity = make(place, passphrase)?;
            self.recipients = vec![identity.to_public()];
            self.identities.push(identity);
        }
        Ok(self)
    }

    pub(crate) fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    pub(crate) fn identities(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.identities.iter().map(|i| i as &dyn age::Identity)
    }

    /// Names the recipients: files that others can open have other names.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let mut names: Vec<String> = self.recipients.iter().map(Recipient::to_string).collect();
        names.sort();
        (!names.is_empty()).then(|| hex(&Sha256::digest(names.join("\n"))[..8]))
    }
}

fn parse<T: FromStr<Err = &'static str>>(text: &str, from: &str) -> Result<T> {
    let parsed = text.parse();
    parsed.map_err(|why| Error::Refused(format!("{from}: {why} (of age's own kind, X25519)")))
}

/// One key a line; empty lines and comments are skipped.
fn file_of<T: FromStr<Err = &'static str>>(path: &Path) -> Result<Vec<T>> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|e| Error::io(format!("cannot read {shown}"), e))?;
    let lines = text.lines().map(str::trim);
    let keys: Result<Vec<T>> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| parse(line, &shown))
        .collect();
    let keys = keys?;
    if keys.is_empty() {
        return Err(Error::Refused(format!("{shown} holds no key")));
    }
    Ok(keys)
}

/// The first line, whole.
fn passphrase(path: &Path) -> Result<SecretString> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|e| Error::io(format!("cannot read {shown}"), e))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Error::Refused(format!(
            "{shown}: its first line, the passphrase, is empty"
        )));
    }
    Ok(SecretString::from(line.to_owned()))
}

/// The key in a file, when the passphrase is the right one.
fn open(
    place: &dyn Destination,
    name: &str,
    passphrase: &SecretString,
) -> Result<Option<Identity>> {
    let shown = place.describe(name);
    let damaged = |what: &dyn std::fmt::Display| Error::damaged(&shown, what.to_string());
    let raw = BufReader::new(place.read(name)?);
    let decryptor = age::Decryptor::new(raw).map_err(|e| damaged(&e))?;
    let mut identity = age::scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(WORK_FACTOR_MOST);
    let mut text = String::new();
    match decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)) {
        Ok(mut stream) => stream.read_to_string(&mut text).map_err(|e| damaged(&e))?,
        Err(
            age::DecryptError::NoMatchingKeys
            | age::DecryptError::KeyDecryptionFailed
            | age::DecryptError::DecryptionFailed,
        ) => return Ok(None),
        Err(e) => return Err(damaged(&e)),
    };
    let identity = text.trim().parse();
    identity.map(Some).map_err(|e: &str| damaged(&e))
}

fn make(place: &dyn Destination, passphrase: SecretString) -> Result<Identity> {
    let identity = Identity::generate();
    let mut recipient = age::scrypt::Recipient::new(passphrase);
    recipient.set_work_factor(WORK_FACTOR);
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let failed = |e: &dyn std::fmt::Display| Error::io("cannot close the place's key", e);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|e| failed(&e))?;
    let mut sealed = Vec::new();
    let mut out = encryptor.wrap_output(&mut sealed).map_err(|e| failed(&e))?;
    let secret = identity.to_string();
    let written = out.write_all(secret.expose_secret().as_bytes());
    written
        .and_then(|()| out.finish().map(|_| ()))
        .map_err(|e| failed(&e))?;
    // One name, so that of two that make the first key at once only one does.
    let name = format!("{FOLDER}passphrase.age");
    if !destination::put(place, &name, &sealed)? {
        let what = format!(
            "{} was made just now by another: try again",
            place.describe(&name)
        );
        return Err(Error::Refused(what));
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_files_and_say_what_is_wrong_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::generate();
        let path = dir.path().join("key.txt");
        let text = format!("# made now\n\n{}\n", identity.to_string().expose_secret());
        std::fs::write(&path, text).unwrap();
        let keys = Keys::load(&[], std::slice::from_ref(&path), None).unwrap();
        assert!(!keys.encrypt() && keys.identities().count() == 1);
        let public = identity.to_public().to_string();
        let keys = Keys::load(std::slice::from_ref(&public), &[], None).unwrap();
        let again = Keys::load(&[public], &[], None).unwrap();
        assert!(keys.encrypt() && keys.fingerprint() == again.fingerprint());
        let wrong = Keys::load(&[path.display().to_string()], &[], None);
        assert!(wrong.err().unwrap().to_string().contains("key.txt"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Keys::load(&[], &[], Some(&path)).is_err());
    }
}
