//! `triadctl convert`: objects in, the same objects out in another encoding or version. Nothing is defaulted, nothing is asked of
//! a server. The input's encoding is found out: protobuf by its envelope, JSON by its first character, else YAML, of which there may
//! be several documents. Manifests of versions that are gone come out as what took their place.

use std::fmt;
use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;
use triad_machinery::codec::{DecodeError, Strictness, json, protobuf, yaml};
use triad_machinery::conversion;
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::scheme::{group_version, scheme};

#[derive(Args)]
pub struct Options {
    /// File to read; `-` is standard input
    #[arg(short = 'f', long = "filename", default_value = "-")]
    pub filename: PathBuf,
    /// Encoding to write (JSON and YAML end with a newline)
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Output::Json)]
    pub output: Output,
    /// Refuse unknown and duplicate fields
    #[arg(long)]
    pub strict: bool,
    /// Indent JSON
    #[arg(long)]
    pub pretty: bool,
    /// Write the object in this version, `apps/v1` or `v1`
    #[arg(long, value_name = "GROUP/VERSION")]
    pub output_version: Option<String>,
    /// Write the object in the version that its kind has today, whatever became of the one it is in
    #[arg(long, conflicts_with = "output_version")]
    pub latest: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Json,
    Yaml,
    Protobuf,
}

/// What went wrong, by who can mend it.
#[derive(Debug)]
pub enum ConvertError {
    /// The object is not readable, not known, or not convertible.
    Input(String),
    /// A file or a stream failed.
    Io(String),
}

impl ConvertError {
    pub fn exit_code(&self) -> u8 {
        match self {
            ConvertError::Input(_) => 1,
            ConvertError::Io(_) => 3,
        }
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ConvertError::Input(message) | ConvertError::Io(message)) = self;
        f.write_str(message)
    }
}

impl From<DecodeError> for ConvertError {
    fn from(error: DecodeError) -> Self {
        ConvertError::Input(error.to_string())
    }
}

/// Reads, converts and writes.
pub fn run(options: &Options) -> Result<(), ConvertError> {
    let input = read(options)?;
    let output = convert(&input, options)?;
    std::io::stdout()
        .write_all(&output)
        .map_err(|e| ConvertError::Io(format!("standard output: {e}")))
}

/// The bytes to write for the bytes read.
pub fn convert(input: &[u8], options: &Options) -> Result<Vec<u8>, ConvertError> {
    let documents = documents(input);
    if documents.len() > 1 && options.output == Output::Protobuf {
        let why = "several objects cannot be written as one protobuf message";
        return Err(ConvertError::Input(why.to_owned()));
    }
    let mut output = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        if at > 0 && options.output == Output::Yaml {
            output.extend_from_slice(b"---\n");
        }
        output.extend(one(document, options)?);
    }
    Ok(output)
}

/// The YAML documents of an input that are not empty; any other input is one whatever it holds.
fn documents(input: &[u8]) -> Vec<&[u8]> {
    let first = input.iter().find(|b| !b.is_ascii_whitespace());
    if input.starts_with(protobuf::MAGIC) || first == Some(&b'{') {
        return vec![input];
    }
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in input.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b"---") && line[3..].iter().all(u8::is_ascii_whitespace) {
            found.push(&input[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    found.push(&input[start..]);
    let says = |document: &&[u8]| {
        let mut lines = document.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        lines.any(|line| !line.is_empty() && !line.starts_with(b"#"))
    };
    let said: Vec<&[u8]> = found.into_iter().filter(says).collect();
    if said.is_empty() { vec![input] } else { said }
}

fn one(input: &[u8], options: &Options) -> Result<Vec<u8>, ConvertError> {
    let object = in_version(decode(input, options.strict)?, options)?;
    Ok(match options.output {
        Output::Protobuf => protobuf::encode(&object.value, object.id, None),
        Output::Yaml => yaml::encode(&object.value, object.id, None),
        Output::Json => {
            let compact = json::encode(&object.value, object.id, None);
            let mut text = if options.pretty {
                json::pretty(&compact)
            } else {
                compact
            };
            text.push(b'\n');
            text
        }
    })
}

/// The object in the version asked for; of a list of anything, each item.
fn in_version(object: Object, options: &Options) -> Result<Object, ConvertError> {
    if options.output_version.is_none() && !options.latest {
        return Ok(object);
    }
    if schema().get(object.id).name.as_ref() == "meta/v1.List" {
        return items_in_version(object, options);
    }
    match &options.output_version {
        Some(version) => to_version(object, version),
        None => to_latest(object),
    }
}

fn items_in_version(mut object: Object, options: &Options) -> Result<Object, ConvertError> {
    let items = object.value.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        let text = serde_json::to_vec(item).map_err(|e| ConvertError::Input(e.to_string()))?;
        let converted = in_version(decode(&text, options.strict)?, options)?;
        *item = json::to_json_value(&converted.value, converted.id);
    }
    Ok(object)
}

/// The object as its kind is written today: by what replaced its version, else in the first version of its group.
fn to_latest(object: Object) -> Result<Object, ConvertError> {
    let mut id = object.id;
    while let Some(replacement) = &schema().get(id).lifecycle.replacement {
        let next = schema().kind(&replacement.group, &replacement.version, &replacement.kind);
        match next.filter(|next| *next != id) {
            Some(next) => id = next,
            None => break,
        }
    }
    let Some((group, _)) = &schema().package_of(id).group_version else {
        return Ok(object);
    };
    let kind = &schema().get(id).go_name;
    let item = kind.strip_suffix("List").unwrap_or(kind);
    let groups = scheme()
        .groups()
        .iter()
        .filter(|known| known.name == *group);
    let served = groups
        .flat_map(|known| &known.versions)
        .find(|version| {
            scheme()
                .resource_of_kind(group, &version.name, item)
                .is_some()
        })
        .and_then(|version| schema().kind(group, &version.name, kind));
    let id = served.unwrap_or(id);
    let value = conversion::convert(object.value, object.id, id)
        .map_err(|e| ConvertError::Input(e.to_string()))?;
    Ok(Object { value, id })
}

struct Object {
    value: Value,
    id: TypeId,
}

fn read(options: &Options) -> Result<Vec<u8>, ConvertError> {
    if options.filename.as_os_str() != "-" {
        return std::fs::read(&options.filename)
            .map_err(|e| ConvertError::Io(format!("{}: {e}", options.filename.display())));
    }
    let mut input = Vec::new();
    std::io::stdin()
        .read_to_end(&mut input)
        .map_err(|e| ConvertError::Io(format!("standard input: {e}")))?;
    Ok(input)
}

fn decode(input: &[u8], strict: bool) -> Result<Object, ConvertError> {
    if input.starts_with(protobuf::MAGIC) {
        let envelope = protobuf::open(input)?;
        let id = type_of(&envelope.type_meta, || !envelope.raw.is_empty())?;
        return Ok(Object {
            value: protobuf::decode_enveloped(&envelope, id)?,
            id,
        });
    }
    let strictness = if strict {
        Strictness::Report
    } else {
        Strictness::Ignore
    };
    let is_json = input.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let (decoded, id) = if is_json {
        let id = type_of(&json::interpret(input)?, || is_watch_event(input))?;
        (json::decode(input, id, strictness)?, id)
    } else {
        let text = yaml::to_json(input)?;
        let id = type_of(&json::interpret(&text)?, || is_watch_event(&text))?;
        (yaml::decode(input, id, strictness)?, id)
    };
    if decoded.strict_errors.is_empty() {
        Ok(Object {
            value: decoded.value,
            id,
        })
    } else {
        Err(ConvertError::Input(format!(
            "strict decoding error: {}",
            decoded.strict_errors.join(", ")
        )))
    }
}

/// Watch events are the one kind that comes without saying so.
fn is_watch_event(text: &[u8]) -> bool {
    let value = json::decode_untyped(text, Strictness::Ignore)
        .map(|d| d.value)
        .unwrap_or_default();
    value.get("type").is_some() && value.get("object").is_some()
}

fn type_of(meta: &json::TypeMeta, watch_event: impl Fn() -> bool) -> Result<TypeId, ConvertError> {
    if meta.kind.is_empty() && meta.api_version.is_empty() && watch_event() {
        let event = schema().kind("", "v1", "WatchEvent");
        return event.ok_or_else(|| ConvertError::Input("watch events are unknown".to_owned()));
    }
    if meta.kind.is_empty() || meta.api_version.is_empty() {
        return Err(ConvertError::Input(
            "kind or apiVersion is missing".to_owned(),
        ));
    }
    let (group, version) = meta.group_version();
    let id = schema().kind(group, version, &meta.kind);
    id.ok_or_else(|| {
        ConvertError::Input(format!(
            "no kind {:?} is known in version {:?}",
            meta.kind, meta.api_version
        ))
    })
}

fn to_version(object: Object, wanted: &str) -> Result<Object, ConvertError> {
    let (group, version) = wanted.split_once('/').unwrap_or(("", wanted));
    let kind = &schema().get(object.id).go_name;
    let unknown = || {
        ConvertError::Input(format!(
            "no kind {kind:?} is known in version {:?}",
            group_version(group, version)
        ))
    };
    let id = schema().kind(group, version, kind).ok_or_else(unknown)?;
    let value = conversion::convert(object.value, object.id, id)
        .map_err(|e| ConvertError::Input(e.to_string()))?;
    Ok(Object { value, id })
}
