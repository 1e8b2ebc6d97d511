//! `triadctl backup` and `restore`. A backup is a manifest and the files that it names; files lie by their SHA-256 and are shared
//! by all backups of one place, so the next one brings only what is new.

mod place;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use triad_kv::Copy;
use triad_machinery::codec::{json, protobuf, yaml};
use triad_machinery::meta;
use triad_machinery::schema::schema;

use crate::api::Client;
use crate::table;
use place::Place;

#[derive(Subcommand)]
pub enum BackupCommand {
    /// Back the cluster up, from the member that the kubeconfig names, while it serves
    Save {
        dest: PathBuf,
        /// What the backup is called (the time and the revision when not given)
        #[arg(long)]
        name: Option<String>,
    },
    /// List the backups of a place
    Ls { dest: PathBuf },
    /// Check every byte and every record of a backup (of all when none is named)
    Verify {
        dest: PathBuf,
        #[arg(long)]
        name: Option<String>,
    },
    /// Remove all but the newest backups, and the files that none of them needs
    Prune {
        dest: PathBuf,
        #[arg(long)]
        keep: usize,
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Look into a backup: its objects, as names or as YAML
    Inspect {
        dest: PathBuf,
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

#[derive(Args)]
pub struct Restore {
    pub dest: PathBuf,
    /// The backup (the newest when not given)
    #[arg(long)]
    pub backup: Option<String>,
    /// The data directory of the new cluster's first member; it must not hold a store
    #[arg(long)]
    pub data_dir: PathBuf,
    /// What that member is called
    #[arg(long, default_value = "restored")]
    pub node_name: String,
    /// Do it; without this only what would be done is said
    #[arg(long)]
    pub yes: bool,
}

pub fn run(client: impl FnOnce() -> Result<Client>, command: &BackupCommand) -> Result<String> {
    match command {
        BackupCommand::Save { dest, name } => {
            save(&client()?, &Place::make(dest)?, name.as_deref())
        }
        BackupCommand::Ls { dest } => ls(&Place::open(dest)?),
        BackupCommand::Verify { dest, name } => verify(&Place::open(dest)?, name.as_deref()),
        BackupCommand::Prune {
            dest,
            keep,
            dry_run,
        } => Place::open(dest)?.prune(*keep, *dry_run),
        BackupCommand::Inspect {
            dest,
            backup,
            namespace,
            kind,
            name,
            output,
        } => {
            let wanted = Wanted {
                namespace: namespace.as_deref(),
                kind: kind.as_deref(),
                name: name.as_deref(),
            };
            inspect(
                &Place::open(dest)?,
                backup.as_deref(),
                &wanted,
                output.is_some(),
            )
        }
    }
}

fn save(client: &Client, place: &Place, name: Option<&str>) -> Result<String> {
    let begun = client.call(Method::POST, "/triad/v1/backups", None)?;
    let id = begun["id"].as_str().context("the server names no backup")?;
    let saved = fetch(client, place, id, &begun, name);
    // The server drops it at its next start in any case.
    let ended = client.call(Method::DELETE, &format!("/triad/v1/backups/{id}"), None);
    let text = saved?;
    ended.map(|_| text)
}

fn fetch(
    client: &Client,
    place: &Place,
    id: &str,
    begun: &Value,
    name: Option<&str>,
) -> Result<String> {
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.as_secs());
    let revision = begun["revision"].as_u64().unwrap_or(0);
    let name = name.map_or_else(|| format!("{time}-r{revision}"), str::to_owned);
    let (mut fetched, mut bytes) = (0, 0);
    let files = begun["files"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for file in files {
        let (path, sum) = (word(file, "name")?, word(file, "sha256")?);
        let size = file["size"].as_u64().unwrap_or(0);
        if place.has(sum, size) {
            continue;
        }
        place.bring(sum, size, |offset| {
            let path = format!("/triad/v1/backups/{id}/{path}?offset={offset}");
            client.bytes(Method::GET, &path, None)
        })?;
        (fetched, bytes) = (fetched + 1, bytes + size);
    }
    let manifest = serde_json::json!({"name": name, "time": time, "cluster": begun["cluster"], "revision": revision, "node": begun["node"], "files": files});
    place.put(&name, &manifest)?;
    Ok(format!(
        "backup {name} of revision {revision}: {} files, {fetched} of them new ({:.1} MiB)\n",
        files.len(),
        bytes as f64 / 1048576.0
    ))
}

fn ls(place: &Place) -> Result<String> {
    let rows: Result<Vec<Vec<String>>> = place
        .all()?
        .iter()
        .map(|manifest| {
            let size: u64 = files(manifest).filter_map(|f| f["size"].as_u64()).sum();
            Ok(vec![
                word(manifest, "name")?.to_owned(),
                manifest["time"].to_string(),
                manifest["revision"].to_string(),
                word(manifest, "cluster")?.to_owned(),
                format!("{:.1}MiB", size as f64 / 1048576.0),
            ])
        })
        .collect();
    Ok(table::render(
        &["NAME", "TIME (UNIX)", "REVISION", "CLUSTER", "SIZE"],
        &rows?,
    ))
}

fn verify(place: &Place, name: Option<&str>) -> Result<String> {
    let mut out = String::new();
    for manifest in place.all()? {
        let this = word(&manifest, "name")?;
        if name.is_some_and(|name| name != this) {
            continue;
        }
        let scratch = place
            .assemble(&manifest, "state/")
            .with_context(|| format!("backup {this}"))?;
        let contents = Copy::open(scratch.path())
            .and_then(|copy| copy.verify())
            .with_context(|| format!("backup {this}"))?;
        ensure!(
            Some(contents.revision) == manifest["revision"].as_u64(),
            "backup {this} holds revision {}, not the one it names",
            contents.revision
        );
        out.push_str(&format!(
            "backup {this} is whole: revision {}, {} keys, {} versions, {} changes\n",
            contents.revision, contents.keys, contents.versions, contents.changes
        ));
    }
    ensure!(!out.is_empty(), "there is no such backup");
    Ok(out)
}

struct Wanted<'a> {
    namespace: Option<&'a str>,
    kind: Option<&'a str>,
    name: Option<&'a str>,
}

fn inspect(
    place: &Place,
    backup: Option<&str>,
    wanted: &Wanted<'_>,
    whole: bool,
) -> Result<String> {
    let manifest = place.find(backup)?;
    let scratch = place.assemble(&manifest, "state/")?;
    let copy = Copy::open(scratch.path())?;
    let mut out = String::new();
    let mut unreadable = 0;
    for entry in copy.range(b"/registry/", b"/registry0")? {
        let Some((kind, text)) = object(&entry.value) else {
            unreadable += 1;
            continue;
        };
        let meta = &text["metadata"];
        let (namespace, name) = (
            meta["namespace"].as_str().unwrap_or(""),
            meta["name"].as_str().unwrap_or(""),
        );
        let fits = wanted.namespace.is_none_or(|w| w == namespace)
            && wanted.kind.is_none_or(|w| w.eq_ignore_ascii_case(&kind))
            && wanted.name.is_none_or(|w| w == name);
        if !fits {
            continue;
        }
        if whole {
            let document = yaml::from_json(text.to_string().as_bytes());
            out.push_str("---\n");
            out.push_str(&String::from_utf8_lossy(&document));
        } else if namespace.is_empty() {
            out.push_str(&format!("{kind}/{name}\n"));
        } else {
            out.push_str(&format!("{kind}/{namespace}/{name}\n"));
        }
    }
    if unreadable > 0 {
        out.push_str(&format!(
            "# {unreadable} values are of no kind that is known here\n"
        ));
    }
    Ok(out)
}

/// The kind and JSON of a stored value; none for what is no object of a known kind.
fn object(value: &[u8]) -> Option<(String, Value)> {
    if value.first() == Some(&b'{') {
        let object: Value = serde_json::from_slice(value).ok()?;
        return Some((object["kind"].as_str()?.to_owned(), object));
    }
    let envelope = protobuf::open(value).ok()?;
    let (api_version, kind) = (&envelope.type_meta.api_version, &envelope.type_meta.kind);
    let (group, version) = meta::group_version(api_version);
    let root = schema().kind(group, version, kind)?;
    let decoded = protobuf::decode_enveloped(&envelope, root).ok()?;
    let mut object = json::to_json_value(&decoded, root);
    let fields = object.as_object_mut()?;
    fields.insert("apiVersion".into(), api_version.as_str().into());
    fields.insert("kind".into(), kind.as_str().into());
    Some((kind.clone(), object))
}

/// Makes a new cluster of a backup.
pub fn restore(options: &Restore) -> Result<String> {
    let place = Place::open(&options.dest)?;
    let manifest = place.find(options.backup.as_deref())?;
    let name = word(&manifest, "name")?;
    let dir = &options.data_dir;
    if !options.yes {
        return Ok(format!(
            "would restore backup {name} (revision {}) of cluster {} into {}: say --yes to do it\n",
            manifest["revision"],
            manifest["cluster"].as_str().unwrap_or(""),
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
    let scratch = place.assemble_in(&manifest, "state/", dir)?;
    restore_pki(&place, &manifest, &dir.join("pki"))?;
    let revision = triad_kv::restore(scratch.path(), &store, &options.node_name)?;
    Ok(format!(
        "restored backup {name} into {}; it goes on at revision {revision}. Start it with: triad serve --data-dir {} --node-name {}\n",
        dir.display(),
        dir.display(),
        options.node_name
    ))
}

fn restore_pki(place: &Place, manifest: &Value, pki: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(pki).with_context(|| format!("cannot make {}", pki.display()))?;
    for file in files(manifest) {
        let Some(name) = word(file, "name")?.strip_prefix("pki/") else {
            continue;
        };
        let target = pki.join(name);
        ensure!(!target.exists(), "{} is there already", target.display());
        std::fs::write(&target, place.read(word(file, "sha256")?)?)
            .and_then(|()| {
                std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600))
            })
            .with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

fn files(manifest: &Value) -> impl Iterator<Item = &Value> {
    manifest["files"].as_array().into_iter().flatten()
}

fn word<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field]
        .as_str()
        .with_context(|| format!("a manifest lacks {field}"))
}
