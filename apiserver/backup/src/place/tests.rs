//! Places of every kind, through their front door: sharing, pruning, damage of every sort, keys, interruptions.

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use sha2::{Digest, Sha256};

use super::*;
use crate::{Applied, hex};

struct Made {
    dir: tempfile::TempDir,
    identity: Identity,
}

impl Made {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            identity: Identity::generate(),
        }
    }

    fn dest(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn recipient(&self) -> Keys {
        Keys::load(&[self.identity.to_public().to_string()], &[], None).unwrap()
    }

    fn identity(&self) -> Keys {
        let path = self.dir.path().join("key");
        fs::write(&path, self.identity.to_string().expose_secret()).unwrap();
        Keys::load(&[], &[path], None).unwrap()
    }

    fn passphrase(&self, words: &str) -> Keys {
        let path = self.dir.path().join("words");
        fs::write(&path, words).unwrap();
        Keys::load(&[], &[], Some(&path)).unwrap()
    }
}

/// What a file of these tests holds: long enough for several blocks, not the same throughout.
fn contents(seed: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..4000 {
        bytes.extend_from_slice(&Sha256::digest(format!("{seed} {n}"))[..]);
        bytes.extend_from_slice(b"the same in all lines");
    }
    bytes
}

fn listed(seeds: &[&str]) -> (Vec<File>, HashMap<String, Vec<u8>>) {
    let mut files = Vec::new();
    let mut bytes = HashMap::new();
    for (n, seed) in seeds.iter().enumerate() {
        let content = contents(seed);
        files.push(File {
            name: format!("state/{n}"),
            size: content.len() as u64,
            sha256: hex(&Sha256::digest(&content)),
            stored: String::new(),
        });
        bytes.insert(format!("state/{n}"), content);
    }
    (files, bytes)
}

fn save(place: &Place, name: &str, time: u64, seeds: &[&str]) -> Result<Saved> {
    let (files, bytes) = listed(seeds);
    let about = About {
        time,
        cluster: "00bb".into(),
        applied: Applied {
            term: 1,
            index: time,
        },
        ..About::default()
    };
    let mut source = |file: &File| -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(bytes[&file.name].clone())))
    };
    place.save(name, about, files, &mut source, &Meter::none())
}

fn assembled(place: &Place, name: Option<&str>) -> Result<Vec<Vec<u8>>> {
    let manifest = place.find(name)?;
    let parent = tempfile::tempdir().unwrap();
    let dir = place.assemble(&manifest, "state/", parent.path(), true, &Meter::none())?;
    let read = |n| fs::read(dir.path().join(format!("{n}"))).unwrap();
    Ok((0..manifest.files.len()).map(read).collect())
}

#[test]
fn files_are_shared_and_kept_while_any_backup_needs_them() {
    let made = Made::new();
    let place = Place::make(&made.dest("b"), Keys::default()).unwrap();
    let one = save(&place, "one", 1, &["same", "old"]).unwrap();
    let two = save(&place, "two", 2, &["same", "new"]).unwrap();
    assert_eq!((one.fetched, two.files, two.fetched), (2, 2, 1));
    assert_eq!(place.stored().unwrap().len(), 3);
    assert!(save(&place, "two", 3, &[]).is_err() && save(&place, "../x", 3, &[]).is_err());
    let stored = fs::read_dir(made.dir.path().join("b/files")).unwrap();
    let bytes: u64 = stored.map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(
        bytes < 3 * contents("same").len() as u64 * 7 / 10,
        "compressed: {bytes}"
    );
    let planned = place.prune(1, true, &|_| true).unwrap();
    assert_eq!((planned.backups.len(), place.all().unwrap().len()), (1, 2));
    let done = place.prune(1, false, &|_| true).unwrap();
    assert_eq!((done.files, done.kept), (1, 1));
    assert_eq!(
        assembled(&place, None).unwrap(),
        [contents("same"), contents("new")]
    );
    assert!(place.find(Some("one")).is_err() && place.prune(0, false, &|_| true).is_err());
}

#[test]
fn what_is_encrypted_opens_with_its_key_only() {
    let made = Made::new();
    let dest = made.dest("b");
    save(
        &Place::make(&dest, made.recipient()).unwrap(),
        "one",
        1,
        &["a"],
    )
    .unwrap();
    let closed = Place::open(&dest, Keys::default()).unwrap();
    // Who keeps the place in order needs no key.
    assert!(closed.find(None).unwrap().is_encrypted());
    closed.prune(1, false, &|_| true).unwrap();
    let error = assembled(&closed, None).unwrap_err();
    assert!(error.to_string().contains("--identity") && matches!(error, Error::Key { .. }));
    let wrong = Made::new();
    let error = assembled(&Place::open(&dest, wrong.identity()).unwrap(), None).unwrap_err();
    assert!(error.to_string().contains("other keys") && matches!(error, Error::Key { .. }));
    let opened = Place::open(&dest, made.identity()).unwrap();
    assert_eq!(assembled(&opened, None).unwrap(), [contents("a")]);
    // The same file for other readers is another file.
    let other = Place::make(&dest, wrong.recipient()).unwrap();
    assert_eq!(save(&other, "two", 2, &["a"]).unwrap().fetched, 1);
    let again = Place::make(&dest, wrong.recipient()).unwrap();
    assert_eq!(save(&again, "three", 3, &["a"]).unwrap().fetched, 0);
    let stored = fs::read_dir(made.dir.path().join("b/files")).unwrap();
    for file in stored {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/"));
    }
}

#[test]
fn a_passphrase_guards_the_place() {
    let made = Made::new();
    let dest = made.dest("b");
    let words = made.passphrase("correct horse\n");
    save(
        &Place::make(&dest, words.clone()).unwrap(),
        "one",
        1,
        &["a"],
    )
    .unwrap();
    let second = save(
        &Place::make(&dest, words.clone()).unwrap(),
        "two",
        2,
        &["a"],
    )
    .unwrap();
    assert_eq!(second.fetched, 0);
    let opened = Place::open(&dest, words).unwrap();
    assert_eq!(assembled(&opened, None).unwrap(), [contents("a")]);
    for wrong in [Place::make, Place::open] {
        let error = wrong(&dest, made.passphrase("wrong horse")).err().unwrap();
        assert!(error.to_string().contains("keys/passphrase.age"), "{error}");
        assert!(matches!(error, Error::Key { .. }));
    }
}

/// Every way a stored file can be hurt is found, and named.
fn is_found(keys: fn(&Made) -> (Keys, Keys), hurt: impl Fn(&mut Vec<u8>), said: &[&str]) {
    let made = Made::new();
    let dest = made.dest("b");
    let (write, read) = keys(&made);
    save(&Place::make(&dest, write).unwrap(), "one", 1, &["a"]).unwrap();
    let place = Place::open(&dest, read).unwrap();
    let file = place.find(None).unwrap().files[0].stored.clone();
    let path = made.dir.path().join("b/files").join(&file);
    let mut bytes = fs::read(&path).unwrap();
    hurt(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let error = assembled(&place, None).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&file) && said.iter().any(|s| text.contains(s)),
        "{text}"
    );
}

#[test]
fn damage_is_found_and_named() {
    let plain: fn(&Made) -> (Keys, Keys) = |_| (Keys::default(), Keys::default());
    let sealed: fn(&Made) -> (Keys, Keys) = |made| (made.recipient(), made.identity());
    for keys in [plain, sealed] {
        for keep in [0, 1, 300, 70_000] {
            is_found(
                keys,
                |b| b.truncate(keep),
                &["ends too early", "does not decode", "its head"],
            );
        }
        for at in [3, 150, 80_000] {
            is_found(
                keys,
                |b| b[at] ^= 0x10,
                &[
                    "does not decode",
                    "does not hold",
                    "its head",
                    "ends too early",
                ],
            );
        }
        is_found(
            keys,
            |b| b.extend_from_slice(b"more"),
            &["does not decode", "ends too early"],
        );
    }
    // A whole file under another's name.
    let other = |b: &mut Vec<u8>| *b = zstd::encode_all(&b"other"[..], 1).unwrap();
    is_found(plain, other, &["does not hold the state/0"]);
}

#[test]
fn a_single_file_holds_one_backup() {
    let made = Made::new();
    let dest = made.dest("one.tar");
    let place = Place::make(&dest, made.recipient()).unwrap();
    save(&place, "one", 1, &["a", "b"]).unwrap();
    drop(place);
    assert!(
        Place::make(&dest, Keys::default()).is_err(),
        "it is there already"
    );
    let place = Place::open(&dest, made.identity()).unwrap();
    assert_eq!(
        assembled(&place, None).unwrap(),
        [contents("a"), contents("b")]
    );
    assert!(place.prune(1, false, &|_| true).is_err());
    let bytes = fs::read(&dest).unwrap();
    for length in [0, 100, 5000, bytes.len() / 2, bytes.len() - 600] {
        fs::write(&dest, &bytes[..length]).unwrap();
        let error = Place::open(&dest, made.identity()).err().unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{length}: {error}");
        assert!(error.to_string().contains("one.tar"), "{error}");
    }
    assert_eq!(
        fs::read_dir(made.dir.path()).unwrap().count(),
        2,
        "nothing lies about"
    );
}

#[test]
fn an_interrupted_save_leaves_what_was_there_and_goes_on() {
    let made = Made::new();
    let dest = made.dest("b");
    let place = Place::make(&dest, Keys::default()).unwrap();
    save(&place, "one", 1, &["a", "b", "c"]).unwrap();
    let (files, bytes) = listed(&["d", "e", "f"]);
    for broken in 0..3 {
        let mut source = |file: &File| -> Result<Box<dyn Read + Send>> {
            let content = bytes[&file.name].clone();
            let ends = file.name == format!("state/{broken}");
            let length = if ends {
                content.len() / 2
            } else {
                content.len()
            };
            Ok(Box::new(Cursor::new(content).take(length as u64)))
        };
        let about = About {
            time: 2,
            ..About::default()
        };
        let saved = place.save("two", about, files.clone(), &mut source, &Meter::none());
        assert!(saved.unwrap_err().to_string().contains("cut short"));
        assert_eq!(place.all().unwrap().len(), 1);
        assert_eq!(assembled(&place, None).unwrap()[0], contents("a"));
    }
    let saved = save(&place, "two", 2, &["d", "e", "f"]).unwrap();
    assert_eq!(saved.fetched, 1, "what had arrived is used");
    assert_eq!(assembled(&place, None).unwrap()[2], contents("f"));
}

#[test]
fn pruning_spares_the_files_of_a_backup_that_is_being_saved() {
    let made = Made::new();
    let place = Place::make(&made.dest("b"), Keys::default()).unwrap();
    save(&place, "old", 1, &["shared"]).unwrap();
    save(&place, "kept", 2, &["a"]).unwrap();
    let (files, bytes) = listed(&["shared", "new"]);
    // While the new backup brings its second file, the old one, whose file it counts on, is pruned.
    let mut source = |file: &File| -> Result<Box<dyn Read + Send>> {
        let pruned = place.prune(1, false, &|_| true).unwrap();
        assert_eq!((pruned.files, pruned.saving.len()), (0, 1));
        Ok(Box::new(Cursor::new(bytes[&file.name].clone())))
    };
    let about = About {
        time: 3,
        cluster: "00bb".into(),
        ..About::default()
    };
    place
        .save("new", about, files, &mut source, &Meter::none())
        .unwrap();
    assert_eq!(
        assembled(&place, Some("new")).unwrap()[0],
        contents("shared")
    );
    assert_eq!(place.prune(1, false, &|_| true).unwrap().files, 1);
    // And nothing is saved while files are being removed; a mark that nobody renews is forgotten.
    let mark = made.dir.path().join("b/marks/pruning");
    fs::write(&mark, marks_now()).unwrap();
    assert!(save(&place, "later", 4, &["a"]).is_err());
    fs::write(&mark, "1000").unwrap();
    save(&place, "later", 4, &["a"]).unwrap();
}

#[test]
fn segments_are_kept_while_a_backup_can_be_brought_forward_by_them() {
    let made = Made::new();
    let dest = made.dest("b");
    let place = Place::make(&dest, made.recipient()).unwrap();
    save(&place, "one", 10, &["a"]).unwrap();
    save(&place, "two", 20, &["b"]).unwrap();
    // These tests' backups are of the cluster 00bb, which has no archive: one that has.
    assert!(place.put_segment("../up", 1, 2, 1, b"x").is_err());
    for (first, last) in [(1, 9), (10, 15), (16, 25), (26, 30)] {
        let bytes = format!("{first} to {last}");
        assert!(
            place
                .put_segment("00aa", first, last, 3, bytes.as_bytes())
                .unwrap()
        );
        assert!(!place.put_segment("00aa", first, last, 3, b"other").unwrap());
    }
    place.put_gap("00aa", 31, 40, "the log was full").unwrap();
    let place = Place::open(&dest, made.identity()).unwrap();
    let segments = place.segments("00aa").unwrap();
    let ranges: Vec<(u64, u64)> = segments.iter().map(|s| (s.first, s.last)).collect();
    assert_eq!(ranges, [(1, 9), (10, 15), (16, 25), (26, 30)]);
    assert_eq!(place.gaps("00aa").unwrap()[0].last, 40);
    let (shown, bytes) = place.read_segment("00aa", &segments[1]).unwrap();
    assert!(shown.contains("archive/00aa/000000000000000a") && bytes == b"10 to 15");
    let mut manifest = place.find(None).unwrap();
    manifest.about.cluster = "00aa".into();
    assert_eq!(place.prune_segments(&[manifest.clone()], true).unwrap(), 2);
    assert_eq!(place.prune_segments(&[manifest], false).unwrap(), 2);
    assert_eq!(place.segments("00aa").unwrap().len(), 2);
}

#[test]
fn a_damaged_manifest_hides_no_other_backup_and_stops_pruning() {
    let made = Made::new();
    let place = Place::make(&made.dest("b"), Keys::default()).unwrap();
    for (n, name) in ["one", "two", "three"].iter().enumerate() {
        save(&place, name, n as u64 + 1, &["shared", name]).unwrap();
    }
    let path = made.dir.path().join("b/three.json");
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 100]).unwrap();
    let (whole, damaged) = place.scan().unwrap();
    assert_eq!((whole.len(), damaged.len()), (2, 1));
    assert!(damaged[0].to_string().contains("three.json is damaged"));
    assert_eq!(
        assembled(&place, Some("two")).unwrap()[0],
        contents("shared")
    );
    // Which is the newest, and what is still needed, cannot be known.
    assert!(place.find(None).is_err() && place.prune(1, false, &|_| true).is_err());
    assert_eq!(place.stored().unwrap().len(), 4);
    assert!(place.find(Some("../one")).is_err());
}

fn marks_now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs().to_string()
}
