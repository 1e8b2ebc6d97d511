//! `triadctl backup` and `restore`: the command lines. A backup is a manifest and the files that it names, at a place that
//! `triad_backup` knows how to write and read; what is in them is the store's.

mod examine;
mod inspect;
mod point;
mod remote;
mod restore;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use triad_backup::{Keys, Manifest, Meter, Place};
use triad_kv::Copy;

use crate::api::Client;
use crate::progress::Bar;
use crate::table;
pub(crate) use examine::examine_all;
pub use restore::{Restore, restore};

/// A place of backups, and what opens those that are encrypted.
#[derive(Args)]
pub struct From {
    /// A directory, a single file (*.tar), s3://BUCKET/PREFIX, gs://... or az://...
    pub dest: String,
    /// A file of age identities that opens encrypted backups (repeatable)
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// A file whose first line is the passphrase that they are encrypted with
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl From {
    pub(crate) fn open(&self) -> Result<Place> {
        let keys = Keys::load(&[], &self.identity, self.passphrase_file.as_deref())?;
        Ok(Place::open(&self.dest, keys)?)
    }
}

#[derive(Subcommand)]
pub enum BackupCommand {
    /// Back the cluster up, from the member that the kubeconfig names, while it serves
    Save {
        /// A directory, a single file (*.tar), s3://BUCKET/PREFIX, gs://... or az://...
        dest: String,
        /// What the backup is called (the time and the revision when not given)
        #[arg(long)]
        name: Option<String>,
        /// Encrypt to this age recipient, or to those in a file (repeatable)
        #[arg(long, value_name = "AGE1...|FILE")]
        recipient: Vec<String>,
        /// Encrypt with the passphrase that is the first line of a file
        #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
        passphrase_file: Option<PathBuf>,
    },
    /// List the backups of a place
    Ls {
        /// A directory, a single file (*.tar), s3://BUCKET/PREFIX, gs://... or az://...
        dest: String,
    },
    /// Check every byte and every record of a backup (of all when none is named)
    Verify {
        #[command(flatten)]
        from: From,
        #[arg(long)]
        name: Option<String>,
    },
    /// Remove all but the newest backups, and the files that none of them needs
    Prune {
        /// A directory, s3://BUCKET/PREFIX, gs://... or az://...
        dest: String,
        #[arg(long)]
        keep: usize,
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Look into a backup: its objects, as names or as YAML
    Inspect {
        #[command(flatten)]
        from: From,
        #[arg(long)]
        backup: Option<String>,
        #[arg(long)]
        namespace: Option<String>,
        /// A kind, as ConfigMap
        #[arg(long)]
        kind: Option<String>,
        #[arg(long)]
        name: Option<String>,
        /// Print the objects whole
        #[arg(short = 'o', long = "output", value_parser = ["yaml"])]
        output: Option<String>,
    },
}

pub fn run(client: impl FnOnce() -> Result<Client>, command: &BackupCommand) -> Result<String> {
    match command {
        BackupCommand::Save {
            dest,
            name,
            recipient,
            passphrase_file,
        } => {
            let client = client()?;
            let keys = Keys::load(recipient, &[], passphrase_file.as_deref())?;
            save(&client, &Place::make(dest, keys)?, name.as_deref())
        }
        BackupCommand::Ls { dest } => ls(&Place::open(dest, Keys::default())?),
        BackupCommand::Verify { from, name } => verify(&from.open()?, name.as_deref()),
        BackupCommand::Prune {
            dest,
            keep,
            dry_run,
        } => prune(&Place::open(dest, Keys::default())?, *keep, *dry_run),
        BackupCommand::Inspect {
            from,
            backup,
            namespace,
            kind,
            name,
            output,
        } => {
            let wanted = inspect::Wanted {
                namespace: namespace.as_deref(),
                kind: kind.as_deref(),
                name: name.as_deref(),
                whole: output.is_some(),
            };
            inspect::inspect(&from.open()?, backup.as_deref(), &wanted)
        }
    }
}

fn save(client: &Client, place: &Place, name: Option<&str>) -> Result<String> {
    let mut begun = remote::Begun::begin(client)?;
    let (about, files) = (begun.about.clone(), begun.files.clone());
    let name = name.map_or_else(
        || format!("{}-r{}", about.time, about.revision),
        str::to_owned,
    );
    let bar = Bar::new("saving", files.iter().map(|f| f.size).sum());
    let tell = bar.tell();
    let mut source = |file: &triad_backup::File| -> triad_backup::Result<Box<dyn Read + Send>> {
        Ok(begun.read(file))
    };
    let revision = about.revision;
    let saved = place.save(&name, about, files, &mut source, &Meter::new(&tell));
    // The server drops it at its next start in any case.
    let ended = begun.end();
    let saved = saved?;
    ended?;
    Ok(format!(
        "backup {name} of revision {revision}: {} files, {} of them new ({:.1} MiB)\n",
        saved.files,
        saved.fetched,
        mib(saved.fetched_bytes)
    ))
}

fn ls(place: &Place) -> Result<String> {
    let (manifests, damaged) = place.scan()?;
    let rows: Vec<Vec<String>> = manifests.iter().map(row).collect();
    let head = [
        "NAME",
        "TIME",
        "REVISION",
        "CLUSTER",
        "NODE",
        "SIZE",
        "ENCRYPTED",
    ];
    said_first(table::render(&head, &rows), damaged.into_iter().next())
}

/// What was found, for those who read on although something is wrong.
fn said_first(text: String, wrong: Option<impl Into<anyhow::Error>>) -> Result<String> {
    let Some(wrong) = wrong else {
        return Ok(text);
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")?;
    Err(wrong.into())
}

fn row(manifest: &Manifest) -> Vec<String> {
    let about = &manifest.about;
    vec![
        manifest.name.clone(),
        moment(about.time),
        about.revision.to_string(),
        about.cluster.clone(),
        about.node.clone(),
        format!("{:.1}MiB", mib(manifest.size())),
        if manifest.is_encrypted() { "yes" } else { "no" }.into(),
    ]
}

fn verify(place: &Place, name: Option<&str>) -> Result<String> {
    let (manifests, damaged) = match name {
        Some(name) => (vec![place.find(Some(name))?], Vec::new()),
        None => place.scan()?,
    };
    ensure!(
        !manifests.is_empty() || !damaged.is_empty(),
        "there is no backup"
    );
    let mut out = String::new();
    let mut wrong: Vec<anyhow::Error> = damaged.into_iter().map(Into::into).collect();
    for manifest in &manifests {
        match verify_one(place, manifest) {
            Ok(text) => out.push_str(&text),
            Err(error) => wrong.push(error.context(format!("backup {}", manifest.name))),
        }
    }
    for error in wrong.iter().skip(1) {
        out.push_str(&format!("{error:#}\n"));
    }
    said_first(out, wrong.into_iter().next())
}

fn verify_one(place: &Place, manifest: &Manifest) -> Result<String> {
    let scratch = assemble(place, manifest, &std::env::temp_dir(), false)?;
    let contents = Copy::open(scratch.path()).and_then(|copy| copy.verify())?;
    ensure!(
        contents.revision == manifest.about.revision,
        "it holds revision {}, not the one it names",
        contents.revision
    );
    restore::check_pki(place, manifest)?;
    Ok(format!(
        "backup {} is whole: revision {}, {} keys, {} versions, {} changes\n",
        manifest.name, contents.revision, contents.keys, contents.versions, contents.changes
    ))
}

fn prune(place: &Place, keep: usize, dry_run: bool) -> Result<String> {
    let pruned = place.prune(keep, dry_run, &|_| true)?;
    let said = if dry_run {
        "would be removed (dry run)"
    } else {
        "removed"
    };
    let mut out = String::new();
    for name in &pruned.backups {
        out.push_str(&format!("backup {name} {said}\n"));
    }
    for name in &pruned.saving {
        out.push_str(&format!("{name}: files stay until it is done\n"));
    }
    if pruned.segments > 0 {
        out.push_str(&format!(
            "{} segments of the archive {said}\n",
            pruned.segments
        ));
    }
    out.push_str(&format!(
        "{} files ({:.1} MiB) {said}; {} backups stay\n",
        pruned.files,
        mib(pruned.bytes),
        pruned.kept
    ));
    Ok(out)
}

/// The store's files of a backup, together again.
fn assemble(
    place: &Place,
    manifest: &Manifest,
    parent: &Path,
    durable: bool,
) -> Result<tempfile::TempDir> {
    let state = manifest
        .files
        .iter()
        .filter(|f| f.name.starts_with("state/"));
    let bar = Bar::new("reading", state.map(|f| f.size).sum());
    let tell = bar.tell();
    Ok(place.assemble(manifest, "state/", parent, durable, &Meter::new(&tell))?)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1048576.0
}

/// Unix seconds for people.
fn moment(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}
