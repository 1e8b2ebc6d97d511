//! `triadctl restore`: makes a new cluster of a backup, in a directory that holds no store yet, or puts objects of it into a
//! running one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use triad_backup::{Manifest, Meter, Place};
use triad_kv::Copy;

use super::point::At;
use super::{From, assemble};
use crate::api::Client;
use crate::objects::{self, Selection};

#[derive(Args)]
pub struct Restore {
    #[command(flatten)]
    pub from: From,
    /// The backup (the newest when not given)
    #[arg(long)]
    pub backup: Option<String>,
    /// A moment between backups, from the archive of the log: a time (RFC 3339), a revision, or `latest`
    #[arg(long, value_name = "TIME|REVISION|latest")]
    pub at: Option<At>,
    /// The data directory of the new cluster's first member; it must not hold a store
    #[arg(long, required_unless_present_any = ["namespace", "kind", "name"])]
    pub data_dir: Option<PathBuf>,
    /// What that member is called
    #[arg(long, default_value = "restored")]
    pub node_name: String,
    /// Without --data-dir: which objects go into the cluster that the kubeconfig names
    #[command(flatten)]
    pub objects: Selection,
    /// Do it; without this only what would be done is said
    #[arg(long)]
    pub yes: bool,
}

/// Restores objects into a running cluster, or makes a new one.
pub fn restore(client: impl FnOnce() -> Result<Client>, options: &Restore) -> Result<String> {
    let place = options.from.open()?;
    let manifest = match options.at {
        Some(at) => at.base(&place, options.backup.as_deref())?,
        None => place.find(options.backup.as_deref())?,
    };
    let Some(dir) = &options.data_dir else {
        let scratch = assemble(&place, &manifest, &std::env::temp_dir(), false)?;
        if let Some(at) = options.at {
            at.bring(&place, &manifest, scratch.path())?;
        }
        let copy = Copy::open(scratch.path())?;
        return objects::restore(&client()?, &copy, &options.objects, options.yes);
    };
    ensure!(
        options.objects.is_empty(),
        "a new cluster is made of all objects: --data-dir goes without --namespace, --kind and --name"
    );
    let name = &manifest.name;
    if !options.yes {
        return Ok(format!(
            "would restore backup {name} (revision {}) of cluster {}{} into {}: say --yes to do it\n",
            manifest.about.revision,
            manifest.about.cluster,
            options
                .at
                .map_or_else(String::new, |at| format!(", brought forward to {at}")),
            dir.display()
        ));
    }
    let store = dir.join("store");
    if store.exists() {
        bail!(
            "{} holds a store already: nothing is ever restored over one",
            dir.display()
        );
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let scratch = assemble(&place, &manifest, dir, true)?;
    let forward = match options.at {
        Some(at) => format!(", {}", at.bring(&place, &manifest, scratch.path())?),
        None => String::new(),
    };
    restore_pki(&place, &manifest, &dir.join("pki"))?;
    let revision = triad_kv::restore(scratch.path(), &store, &options.node_name)?;
    Ok(format!(
        "restored backup {name}{forward} into {}; it goes on at revision {revision}. Start it with: triad serve --data-dir {} --node-name {}\n",
        dir.display(),
        dir.display(),
        options.node_name
    ))
}

fn restore_pki(place: &Place, manifest: &Manifest, pki: &Path) -> Result<()> {
    std::fs::create_dir_all(pki).with_context(|| format!("cannot make {}", pki.display()))?;
    for file in &manifest.files {
        if let Some(name) = file.name.strip_prefix("pki/") {
            let target = pki.join(name);
            ensure!(!target.exists(), "{} is there already", target.display());
            place.copy(file, &target, &Meter::none())?;
        }
    }
    Ok(())
}

/// Reads the files of a backup's PKI, for what is wrong with them.
pub(super) fn check_pki(place: &Place, manifest: &Manifest) -> Result<()> {
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    restore_pki(place, manifest, &scratch.path().join("pki"))
}
