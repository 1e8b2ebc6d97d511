//! Looking into a backup: objects go to standard output one by one, as many as there are.

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::{Context, Result};
use serde_json::Value;
use triad_backup::Place;
use triad_kv::Copy;
use triad_machinery::codec::{json, protobuf, yaml};
use triad_machinery::meta;
use triad_machinery::schema::schema;

pub(super) struct Wanted<'a> {
    pub(super) namespace: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    /// As YAML rather than by name.
    pub(super) whole: bool,
}

pub(super) fn inspect(place: &Place, backup: Option<&str>, wanted: &Wanted<'_>) -> Result<String> {
    let manifest = place.find(backup)?;
    let scratch = super::assemble(place, &manifest, &std::env::temp_dir(), false)?;
    let copy = Copy::open(scratch.path())?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let mut unreadable = 0;
    copy.visit(b"/registry/", b"/registry0", |entry| {
        match object(&entry.value) {
            Some((kind, object)) => written = wanted.show(&kind, &object, &mut out),
            None => unreadable += 1,
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    written
        .and_then(|()| out.flush())
        .context("cannot write to standard output")?;
    Ok(match unreadable {
        0 => String::new(),
        many => format!("# {many} values are of no kind that is known here\n"),
    })
}

impl Wanted<'_> {
    fn show(&self, kind: &str, object: &Value, out: &mut impl Write) -> std::io::Result<()> {
        let meta = &object["metadata"];
        let word = |field: &str| meta[field].as_str().unwrap_or("");
        let (namespace, name) = (word("namespace"), word("name"));
        let fits = self.namespace.is_none_or(|w| w == namespace)
            && self.kind.is_none_or(|w| w.eq_ignore_ascii_case(kind))
            && self.name.is_none_or(|w| w == name);
        if !fits {
            return Ok(());
        }
        if self.whole {
            out.write_all(b"---\n")?;
            return out.write_all(&yaml::from_json(object.to_string().as_bytes()));
        }
        if namespace.is_empty() {
            writeln!(out, "{kind}/{name}")
        } else {
            writeln!(out, "{kind}/{namespace}/{name}")
        }
    }
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
