//! A file of lines that is set aside when it is full. What was set aside goes by number and by age, and is packed where that is asked
//! for (gopkg.in/natefinch/lumberjack.v2, whose names these files have).

use chrono::{DateTime, NaiveDateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The time in the name of a file that was set aside.
const NAMED: &str = "%Y-%m-%dT%H-%M-%S%.3f";
const PACKED: &str = ".gz";
const MEBIBYTE: u64 = 1 << 20;

/// When a file is set aside, and what becomes of it then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// 0: a file is never set aside.
    pub max_mebibytes: u64,
    /// 0: none goes for its age.
    pub max_age_days: u64,
    /// 0: none goes for their number.
    pub max_backups: usize,
    pub compress: bool,
}

/// Each write is of whole lines.
pub(crate) struct RotatingFile {
    file: File,
    size: u64,
    /// 0: no end.
    most: u64,
    aside: Arc<Aside>,
}

/// What was set aside.
struct Aside {
    path: PathBuf,
    rotation: Rotation,
    /// One at a time tidies up.
    tidying: Mutex<()>,
}

impl RotatingFile {
    /// Goes on with what is there; makes the directories above it.
    pub(crate) fn open(path: PathBuf, rotation: &Rotation) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            let mut made = fs::DirBuilder::new();
            made.recursive(true).mode(0o700).create(dir)?;
        }
        let file = create(&path)?;
        let current = RotatingFile {
            size: file.metadata()?.len(),
            file,
            most: rotation.max_mebibytes.saturating_mul(MEBIBYTE),
            aside: Arc::new(Aside {
                path,
                rotation: rotation.clone(),
                tidying: Mutex::new(()),
            }),
        };
        current.tidy_later();
        Ok(current)
    }

    fn rotate(&mut self) -> io::Result<()> {
        match fs::rename(&self.aside.path, self.aside.name(Utc::now())) {
            // Somebody has removed it, or it could not be made the last time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        self.file = create(&self.aside.path)?;
        self.size = 0;
        self.tidy_later();
        Ok(())
    }

    /// Where no request waits for it, and no lock is held that its own log lines take.
    fn tidy_later(&self) {
        let aside = self.aside.clone();
        let tidy = move || {
            if let Err(error) = aside.tidy() {
                let path = aside.path.display();
                tracing::error!(%path, %error, "cannot tidy up old log files");
            }
        };
        // What is left undone is done when the next file is set aside.
        let spawned = std::thread::Builder::new()
            .name("tidy-logs".to_owned())
            .spawn(tidy);
        if let Err(error) = spawned {
            let _ = writeln!(io::stderr(), "cannot tidy up old log files: {error}");
        }
    }
}

impl Write for RotatingFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let length = lines.len() as u64;
        if self.most > 0 {
            if length > self.most {
                let why = format!(
                    "write length {length} exceeds maximum file size {}",
                    self.most
                );
                return Err(io::Error::other(why));
            }
            if self.size + length > self.most {
                self.rotate()?;
            }
        }
        self.file.write_all(lines)?;
        self.size += length;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}

impl Aside {
    /// Prefix and extension of all names: `audit-` and `.log` of audit.log.
    fn parts(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map_or(String::new(), |part| part.to_string_lossy().into_owned())
        };
        let extension = text(self.path.extension());
        let dot = if extension.is_empty() { "" } else { "." };
        (
            format!("{}-", text(self.path.file_stem())),
            format!("{dot}{extension}"),
        )
    }

    fn name(&self, at: DateTime<Utc>) -> PathBuf {
        let (prefix, extension) = self.parts();
        let at = at.format(NAMED);
        self.path.with_file_name(format!("{prefix}{at}{extension}"))
    }

    /// The files that were set aside, the newest first.
    fn all(&self) -> io::Result<Vec<(NaiveDateTime, PathBuf)>> {
        let (prefix, extension) = self.parts();
        let time = |name: &str| {
            let name = name.strip_suffix(PACKED).unwrap_or(name);
            let at = name.strip_prefix(&prefix)?.strip_suffix(&extension)?;
            NaiveDateTime::parse_from_str(at, NAMED).ok()
        };
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let mut found = Vec::new();
        for entry in fs::read_dir(dir.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            if let Some(at) = entry.file_name().to_str().and_then(time) {
                found.push((at, entry.path()));
            }
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found)
    }

    fn tidy(&self) -> io::Result<()> {
        let _one = self.tidying.lock();
        if self.rotation.max_backups == 0
            && self.rotation.max_age_days == 0
            && !self.rotation.compress
        {
            return Ok(());
        }
        let oldest = i64::try_from(self.rotation.max_age_days)
            .ok()
            .and_then(chrono::TimeDelta::try_days)
            .and_then(|age| Utc::now().naive_utc().checked_sub_signed(age));
        for (number, (at, path)) in self.all()?.into_iter().enumerate() {
            let many = self.rotation.max_backups > 0 && number >= self.rotation.max_backups;
            let old = self.rotation.max_age_days > 0 && oldest.is_some_and(|oldest| at < oldest);
            if many || old {
                fs::remove_file(&path)?;
            } else if self.rotation.compress && !path.to_string_lossy().ends_with(PACKED) {
                pack(&path)?;
            }
        }
        Ok(())
    }
}

/// Puts a packed file in the place of a plain one, which goes last.
fn pack(path: &Path) -> io::Result<()> {
    let mut packed = path.as_os_str().to_owned();
    packed.push(PACKED);
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut encoder = GzEncoder::new(options.open(&packed)?, Compression::default());
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).expect("a directory");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_set_aside_and_only_so_many_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep").join("audit.log");
        let rotation = Rotation {
            max_mebibytes: 1,
            max_backups: 2,
            ..Rotation::default()
        };
        let mut current = RotatingFile::open(path.clone(), &rotation).expect("opened");
        let line = [vec![b'x'; (MEBIBYTE / 2) as usize - 1], vec![b'\n']].concat();
        for _ in 0..9 {
            current.write_all(&line).expect("written");
            // Names have milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        current.aside.tidy().expect("tidied");
        let found = files(path.parent().expect("a directory"));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].starts_with("audit-2") && found[0].ends_with(".log"),
            "{found:?}"
        );
        assert_eq!(found[2], "audit.log");
        assert_eq!(current.size, line.len() as u64);
        let huge = vec![b'x'; MEBIBYTE as usize + 1];
        let refused = current.write_all(&huge).expect_err("refused").to_string();
        assert!(refused.contains("exceeds maximum file size"), "{refused}");
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    }

    #[test]
    fn a_file_that_was_removed_is_made_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("audit.log");
        let rotation = Rotation {
            max_mebibytes: 1,
            ..Rotation::default()
        };
        let mut current = RotatingFile::open(path.clone(), &rotation).expect("opened");
        let line = vec![b'x'; MEBIBYTE as usize];
        current.write_all(&line).expect("written");
        fs::remove_file(&path).expect("removed");
        current.write_all(&line).expect("written");
        assert_eq!(files(dir.path()), ["audit.log"]);
        assert_eq!(fs::read(&path).expect("a file"), line);
    }

    #[test]
    fn old_ones_go_by_age_and_others_are_packed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("audit.log");
        let old = dir.path().join("audit-2001-01-01T00-00-00.000.log.gz");
        let other = dir.path().join("audit-notes.log");
        fs::write(&old, "x").expect("written");
        fs::write(&other, "x").expect("written");
        let rotation = Rotation {
            max_age_days: 7,
            compress: true,
            ..Rotation::default()
        };
        let mut current = RotatingFile::open(path, &rotation).expect("opened");
        current.aside.tidy().expect("tidied");
        assert!(!old.exists() && other.exists(), "only its own");
        current.write_all(b"one\n").expect("written");
        current.rotate().expect("rotated");
        current.aside.tidy().expect("tidied");
        let found = files(dir.path());
        assert!(found[0].ends_with(".log.gz"), "{found:?}");
        let mut text = String::new();
        let packed = File::open(dir.path().join(&found[0])).expect("a file");
        io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed), &mut text)
            .expect("readable");
        assert_eq!(text, "one\n");
    }
}
