//! `triadctl import etcd`: an etcd snapshot of a real cluster becomes a data directory. Keys and values are upstream's already; only
//! their newest versions are taken, and the revision goes on far above etcd's.

mod bolt;
mod snapshot;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::{Args, Subcommand};
use triad_kv::{Imported, Revision};

use crate::stored::{self, ROOT, Stored};
use snapshot::{Key, Snapshot};

/// Keys that are named where many could be.
const NAMED: usize = 10;

#[derive(Subcommand)]
pub enum ImportCommand {
    /// Make a data directory of an etcd v3 snapshot, or of a stopped member's member/snap/db
    Etcd(Etcd),
}

#[derive(Args)]
pub struct Etcd {
    /// What `etcdctl snapshot save` wrote
    pub snapshot: PathBuf,
    /// The data directory of the new cluster's first member; it must not hold a store
    #[arg(long)]
    pub data_dir: PathBuf,
    /// What that member is called
    #[arg(long, default_value = "imported")]
    pub node_name: String,
    /// What kube-apiserver was given as --etcd-prefix
    #[arg(long, default_value = "/registry")]
    pub prefix: String,
    /// Leave out what is encrypted at rest, which nobody could read
    #[arg(long)]
    pub skip_encrypted: bool,
    /// Do it; without this only what would be done is said
    #[arg(long)]
    pub yes: bool,
}

pub fn run(command: &ImportCommand) -> Result<String> {
    let ImportCommand::Etcd(options) = command;
    let file = fs::read(&options.snapshot)
        .with_context(|| format!("cannot read {}", options.snapshot.display()))?;
    let snapshot = Snapshot::read(file.into())
        .with_context(|| format!("in {}", options.snapshot.display()))?;
    let chosen = Chosen::of(&snapshot, &options.prefix);
    let mut out = chosen.told(&snapshot, options);
    chosen
        .acceptable(options)
        .with_context(|| out.trim_end().to_owned())?;
    let store = options.data_dir.join("store");
    ensure!(
        !store.exists(),
        "{} holds a store already: nothing is ever imported over one",
        options.data_dir.display()
    );
    if !options.yes {
        out.push_str("say --yes to do it\n");
        return Ok(out);
    }
    let at = make(
        &options.data_dir,
        &store,
        &options.node_name,
        &snapshot,
        chosen,
    )?;
    out.push_str(&format!(
        "imported into {}; it goes on at revision {at}. Put the cluster's PKI into {} before the first start, or give it by flags\n",
        options.data_dir.display(),
        options.data_dir.join("pki").display()
    ));
    Ok(out)
}

fn make(
    data: &Path,
    store: &Path,
    node: &str,
    snapshot: &Snapshot,
    chosen: Chosen<'_>,
) -> Result<Revision> {
    use std::os::unix::fs::DirBuilderExt;
    let mut dir = fs::DirBuilder::new();
    dir.recursive(true).mode(0o700);
    dir.create(data)
        .with_context(|| format!("cannot make {}", data.display()))?;
    // An interrupted import leaves this behind, and the next begins anew.
    let staged = data.join("store.importing");
    if staged.exists() {
        fs::remove_dir_all(&staged)?;
    }
    let entries = chosen.keys.into_iter().map(|(key, value, from)| Imported {
        key,
        value,
        create_revision: Revision(from.created),
        mod_revision: Revision(from.modified),
        version: from.version,
        ttl_seconds: from.ttl,
    });
    let at = triad_kv::import(&staged, node, entries, Revision(snapshot.revision))?;
    let examined = triad_kv::examine(&staged, &mut |_| None)?;
    if let Some(finding) = examined.findings.first() {
        bail!("what was written does not check: {finding}");
    }
    fs::rename(&staged, store)?;
    fs::File::open(data)?.sync_all()?;
    Ok(at)
}

/// The keys to be taken over, and what stands against it.
#[derive(Default)]
struct Chosen<'a> {
    keys: Vec<(Bytes, Bytes, &'a Key)>,
    objects: u64,
    ttls: u64,
    beside: u64,
    unknown: BTreeMap<String, u64>,
    encrypted: Vec<String>,
    broken: Vec<String>,
}

impl<'a> Chosen<'a> {
    fn of(snapshot: &'a Snapshot, prefix: &str) -> Self {
        let prefix = format!("/{}/", prefix.trim_matches('/'));
        let mut chosen = Self::default();
        for (key, value) in &snapshot.keys {
            match key.strip_prefix(prefix.as_bytes()) {
                Some(rest) => chosen.take(rest, value),
                None => chosen.beside += 1,
            }
        }
        chosen
    }

    fn take(&mut self, rest: &[u8], from: &'a Key) {
        let key = [ROOT.as_bytes(), rest].concat();
        let name = String::from_utf8_lossy(&key).into_owned();
        let mut value = from.value.clone();
        match stored::read(&name, &value) {
            Ok(Stored::Encrypted(provider)) => {
                self.encrypted.push(format!("{name} ({provider})"));
                return;
            }
            Ok(Stored::Object(object)) => {
                if let Some(what) = stored::misplaced(&name, &object) {
                    return self.broken.push(format!("{name}: {what}"));
                }
                match stored::server_form(&name, &value, &object) {
                    Ok(Some(form)) => value = form.into(),
                    Ok(None) => {}
                    Err(what) => return self.broken.push(format!("{name}: {what}")),
                }
                self.objects += 1;
            }
            Ok(Stored::Unknown(kind)) => *self.unknown.entry(kind).or_default() += 1,
            Ok(Stored::Mark) => {}
            Err(what) => return self.broken.push(format!("{name}: {what}")),
        }
        self.ttls += u64::from(from.ttl.is_some());
        self.keys.push((key.into(), value, from));
    }

    fn told(&self, snapshot: &Snapshot, options: &Etcd) -> String {
        let hash = if snapshot.hashed {
            "its hash is right"
        } else {
            "it carries no hash: it was copied, not saved"
        };
        let mut out = format!(
            "etcd at revision {} ({hash}): {} keys under {}, {} of them objects, {} with a time to live; {} keys beside them are left out\n",
            snapshot.revision,
            self.keys.len() + self.encrypted.len() + self.broken.len(),
            options.prefix,
            self.objects,
            self.ttls,
            self.beside
        );
        for (kind, count) in &self.unknown {
            out.push_str(&format!(
                "{count} are of {kind}, which this version does not know: they are carried as they are\n"
            ));
        }
        if !self.encrypted.is_empty() {
            let count = self.encrypted.len();
            out.push_str(&format!(
                "{count} are encrypted: {}\n",
                named(&self.encrypted)
            ));
        }
        out
    }

    fn acceptable(&self, options: &Etcd) -> Result<()> {
        ensure!(
            self.broken.is_empty(),
            "{} values do not decode, nothing was imported: {}",
            self.broken.len(),
            named(&self.broken)
        );
        ensure!(
            self.encrypted.is_empty() || options.skip_encrypted,
            "nothing was imported: have the old cluster write them in the clear first (identity provider, then `kubectl get ... | kubectl replace`), or leave them out with --skip-encrypted"
        );
        ensure!(
            !self.keys.is_empty(),
            "there is nothing under {}: --prefix names another place",
            options.prefix
        );
        Ok(())
    }
}

fn named(all: &[String]) -> String {
    let mut text = all[..all.len().min(NAMED)].join(", ");
    if all.len() > NAMED {
        text.push_str(&format!(" and {} more", all.len() - NAMED));
    }
    text
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
