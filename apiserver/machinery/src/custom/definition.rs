//! A CustomResourceDefinition as the server uses it: what is served under which names, and what each version is.

use serde_json::Value;
use std::sync::{Arc, OnceLock};

use super::scale::Scale;
use super::schema::{Schema, texts};
use crate::meta;
use crate::printers::Columns;
use crate::printers::custom::custom_columns;

/// A definition whose names were accepted.
#[derive(Debug)]
pub struct Definition {
    pub name: String,
    pub uid: String,
    pub group: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub list_kind: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub conversion: Conversion,
    /// In the definition's order.
    pub versions: Vec<Arc<Version>>,
    /// The name of the one that is stored.
    pub storage: String,
    /// It is on its way out: nothing new is made.
    pub terminating: bool,
}

/// How an object of one version becomes one of another.
#[derive(Clone, Debug, PartialEq)]
pub enum Conversion {
    None,
    Webhook(WebhookConversion),
}

#[derive(Clone, Debug, PartialEq)]
pub struct WebhookConversion {
    /// As the definition has it: url or service, caBundle.
    pub client_config: Value,
    pub review_versions: Vec<String>,
}

/// One version of a definition.
#[derive(Debug)]
pub struct Version {
    pub group: String,
    pub name: String,
    pub kind: String,
    pub served: bool,
    pub storage: bool,
    /// What clients are told of a deprecated version.
    pub warning: Option<String>,
    /// The schema as JSON: definitions that nobody uses keep no more of it.
    written: Box<str>,
    compiled: OnceLock<Schema>,
    status: bool,
    scale: Option<Scale>,
    columns: Value,
    laid_out: OnceLock<Columns>,
    /// Paths of fields, without the leading dot.
    pub selectable: Vec<String>,
    preserves_unknown: bool,
}

impl Definition {
    /// Reads a definition in version v1. None: it names nothing that could be served.
    pub fn read(object: &Value) -> Option<Self> {
        let (spec, accepted) = (&object["spec"], &object["status"]["acceptedNames"]);
        let name = |field: &str| accepted[field].as_str().unwrap_or("").to_owned();
        let group = spec["group"].as_str()?.to_owned();
        let (plural, kind) = (name("plural"), name("kind"));
        let versions = spec["versions"].as_array()?;
        let storage = versions.iter().find(|version| version["storage"] == true)?;
        if plural.is_empty() || kind.is_empty() {
            return None;
        }
        let read = |version| Arc::new(Version::read(spec, version, &group, &kind));
        Some(Definition {
            name: meta::name(object).to_owned(),
            uid: meta::uid(object).to_owned(),
            singular: name("singular"),
            list_kind: name("listKind"),
            short_names: texts(&accepted["shortNames"]).collect(),
            categories: texts(&accepted["categories"]).collect(),
            namespaced: spec["scope"] == "Namespaced",
            conversion: Conversion::read(&spec["conversion"]),
            versions: versions.iter().map(read).collect(),
            storage: storage["name"].as_str()?.to_owned(),
            terminating: !meta::deletion_timestamp(object).is_empty(),
            group,
            plural,
            kind,
        })
    }

    pub fn version(&self, name: &str) -> Option<&Arc<Version>> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// The versions that are served, the preferred first.
    pub fn served(&self) -> Vec<&Arc<Version>> {
        let served = self.versions.iter().filter(|version| version.served);
        let mut served: Vec<_> = served.collect();
        served.sort_by(|a, b| compare_versions(&b.name, &a.name));
        served
    }

    /// All that documents about its kind say of it, beside what its versions are: equal for equal ones.
    pub fn shape(&self) -> String {
        let names = (
            &self.group,
            &self.plural,
            &self.singular,
            &self.kind,
            &self.list_kind,
        );
        format!(
            "{names:?} {:?} {:?} {}",
            self.short_names, self.categories, self.namespaced
        )
    }

    /// Every field that some version may be selected by.
    pub fn selectable(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for field in self.versions.iter().flat_map(|version| &version.selectable) {
            if !all.contains(field) {
                all.push(field.clone());
            }
        }
        all
    }
}

impl Conversion {
    fn read(written: &Value) -> Self {
        if written["strategy"] != "Webhook" {
            return Conversion::None;
        }
        let webhook = &written["webhook"];
        Conversion::Webhook(WebhookConversion {
            client_config: webhook["clientConfig"].clone(),
            review_versions: texts(&webhook["conversionReviewVersions"]).collect(),
        })
    }
}

impl Version {
    fn read(spec: &Value, written: &Value, group: &str, kind: &str) -> Self {
        let name = written["name"].as_str().unwrap_or("").to_owned();
        let subresources = &written["subresources"];
        let schema = &written["schema"]["openAPIV3Schema"];
        let selectable = written["selectableFields"].as_array().into_iter().flatten();
        let selectable = selectable.filter_map(|field| field["jsonPath"].as_str());
        Version {
            warning: deprecation(spec, written, group, kind),
            served: written["served"] == true,
            storage: written["storage"] == true,
            written: schema.to_string().into(),
            compiled: OnceLock::new(),
            status: subresources
                .get("status")
                .is_some_and(|status| !status.is_null()),
            scale: Scale::new(&subresources["scale"]),
            columns: written["additionalPrinterColumns"].clone(),
            laid_out: OnceLock::new(),
            selectable: selectable
                .map(|path| path.trim_start_matches('.').to_owned())
                .collect(),
            preserves_unknown: spec["preserveUnknownFields"] == true,
            group: group.to_owned(),
            kind: kind.to_owned(),
            name,
        }
    }

    pub fn group_version(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// All that documents about the version say of it: equal for equal ones.
    pub fn shape(&self) -> String {
        let parts = (
            self.status,
            &self.scale,
            &self.selectable,
            self.preserves_unknown,
        );
        format!("{} {parts:?} {}", self.name, self.written)
    }

    /// The schema as it is written; null where there is none.
    pub fn written(&self) -> Value {
        serde_json::from_str(&self.written).unwrap_or_default()
    }

    /// The schema, compiled when it is first needed.
    pub fn schema(&self) -> &Schema {
        self.compiled.get_or_init(|| match self.written() {
            // Without a schema everything is kept.
            Value::Null => Schema::anything(),
            written => Schema::compile(&written),
        })
    }

    pub fn columns(&self) -> &Columns {
        self.laid_out.get_or_init(|| {
            let written = self.columns.as_array().map_or(&[][..], Vec::as_slice);
            // A path that is none leaves the columns that every kind has, as upstream does.
            let columns = custom_columns(written).or_else(|_| custom_columns(&[]));
            columns.unwrap_or_default()
        })
    }

    pub fn has_status(&self) -> bool {
        self.status
    }

    pub fn scale(&self) -> Option<&Scale> {
        self.scale.as_ref()
    }

    pub(crate) fn preserves_unknown(&self) -> bool {
        self.preserves_unknown
    }
}

/// The warning of a deprecated version (customresource_handler.go, defaultDeprecationWarning).
fn deprecation(spec: &Value, version: &Value, group: &str, kind: &str) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(own) = version["deprecationWarning"].as_str() {
        return Some(own.to_owned());
    }
    let name = version["name"].as_str().unwrap_or("");
    let others = spec["versions"].as_array().into_iter().flatten();
    let newer = others.filter(|other| other["served"] == true && other["deprecated"] != true);
    let newest = newer
        .filter_map(|other| other["name"].as_str())
        .filter(|other| compare_versions(name, other).is_lt())
        .max_by(|a, b| compare_versions(a, b));
    let instead = newest.map_or(String::new(), |newest| {
        format!("; use {group}/{newest} {kind}")
    });
    Some(format!("{group}/{name} {kind} is deprecated{instead}"))
}

/// The order of versions: released before beta before alpha, newer before older, all others by name
/// (apimachinery pkg/version/helpers.go, CompareKubeAwareVersionStrings). The greater is preferred.
pub fn compare_versions(one: &str, other: &str) -> std::cmp::Ordering {
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => std::cmp::Ordering::Greater,
        (None, Some(_)) => std::cmp::Ordering::Less,
        (None, None) => other.cmp(one),
    }
}

/// How far a version is (alpha, beta, released), its major and its minor number.
fn parts(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let number = |text: &str| {
        let plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<u64>().ok()).flatten()
    };
    for (word, stage) in [("alpha", 0), ("beta", 1)] {
        if let Some((major, minor)) = rest.split_once(word) {
            let minor = if minor.is_empty() { 0 } else { number(minor)? };
            return Some((stage, number(major)?, minor));
        }
    }
    Some((2, number(rest)?, 0))
}
