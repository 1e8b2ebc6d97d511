//! One request as it is kept: what is known of it so far, written as audit.k8s.io/v1 or as a line of text (apiserver
//! pkg/apis/audit, pkg/audit/format.go). Whatever a client sent is quoted: it cannot end a line or begin another field.

use super::policy::{Level, Stage};
use crate::user::User;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use triad_machinery::codec::json::encode_untyped;
use triad_machinery::goformat::quote;

/// What stands before the rest in an event that stands alone.
const HEAD: &[u8] = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#;
/// Says that an event was cut.
const TRUNCATED: &str = "audit.k8s.io/truncated";

pub(super) struct Event {
    pub(super) level: Level,
    pub(super) id: String,
    pub(super) uri: String,
    pub(super) verb: String,
    pub(super) user: Option<User>,
    pub(super) impersonated: Option<User>,
    /// The verb that allowed it, where it was a narrower one than `impersonate`.
    pub(super) constraint: Option<String>,
    pub(super) from: Vec<IpAddr>,
    pub(super) agent: String,
    pub(super) object: Option<ObjectRef>,
    /// A Status without its code, which stands beside it: it is known where there is no Status.
    pub(super) status: Option<Map<String, Value>>,
    pub(super) code: Option<u16>,
    /// JSON.
    pub(super) request: Option<Bytes>,
    pub(super) response: Option<Bytes>,
    /// RFC 3339 in microseconds.
    pub(super) received: String,
    pub(super) annotations: BTreeMap<String, String>,
}

/// What a request is about.
#[derive(Default)]
pub(super) struct ObjectRef {
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource_version: String,
    pub(super) subresource: String,
}

/// An event of one stage, written once for all who keep it.
pub(super) struct Written {
    /// Alone: with kind and apiVersion, without an end of line.
    whole: Bytes,
    pub(super) level: Level,
    pub(super) line: String,
    cut: Option<Bytes>,
}

impl Written {
    pub(super) fn alone(&self) -> &[u8] {
        &self.whole
    }

    /// Among others, where a list says what they are.
    pub(super) fn listed(&self) -> Bytes {
        self.whole.slice(HEAD.len()..)
    }

    pub(super) fn len(&self) -> usize {
        self.whole.len()
    }

    /// Without the objects in it; what was none with them is the same.
    pub(super) fn cut(&self) -> Option<Written> {
        let whole = self.cut.clone()?;
        Some(Written {
            whole,
            level: self.level,
            line: self.line.clone(),
            cut: None,
        })
    }
}

/// What of an event is wanted besides itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Forms {
    pub(super) line: bool,
    pub(super) cut: bool,
}

impl Event {
    pub(super) fn write(&self, stage: Stage, at: &str, forms: Forms) -> Written {
        let line = match forms.line {
            true => self.line(stage),
            false => String::new(),
        };
        let cut = forms.cut && self.level >= Level::Request;
        Written {
            whole: self.json(stage, at, true),
            level: self.level,
            line,
            cut: cut.then(|| self.json(stage, at, false)),
        }
    }

    fn json(&self, stage: Stage, at: &str, with_objects: bool) -> Bytes {
        let objects = [
            ("requestObject", &self.request),
            ("responseObject", &self.response),
        ];
        let objects =
            objects.map(|(name, object)| (name, object.as_ref().filter(|_| with_objects)));
        let large: usize = objects
            .iter()
            .flat_map(|(_, object)| *object)
            .map(Bytes::len)
            .sum();
        let mut out = Vec::with_capacity(1024 + large);
        out.extend_from_slice(HEAD);
        out.extend_from_slice(b"\"level\":\"");
        out.extend_from_slice(self.level.text().as_bytes());
        out.push(b'"');
        put_text(&mut out, "auditID", &self.id);
        put_text(&mut out, "stage", stage.text());
        put_text(&mut out, "requestURI", &self.uri);
        put_text(&mut out, "verb", &self.verb);
        key(&mut out, "user");
        put_user(&mut out, self.user.as_ref());
        if let Some(user) = &self.impersonated {
            key(&mut out, "impersonatedUser");
            put_user(&mut out, Some(user));
        }
        if let Some(constraint) = &self.constraint {
            key(&mut out, "authenticationMetadata");
            let shown = json!({"impersonationConstraint": constraint});
            out.extend_from_slice(shown.to_string().as_bytes());
        }
        if !self.from.is_empty() {
            key(&mut out, "sourceIPs");
            let from: Vec<String> = self.from.iter().map(IpAddr::to_string).collect();
            put_texts(&mut out, &from);
        }
        put_unless_empty(&mut out, "userAgent", &self.agent);
        if let Some(object) = &self.object {
            key(&mut out, "objectRef");
            object.put(&mut out);
        }
        self.put_status(&mut out);
        for (name, object) in objects {
            if let Some(object) = object {
                key(&mut out, name);
                out.extend_from_slice(object);
            }
        }
        put_text(&mut out, "requestReceivedTimestamp", &self.received);
        put_text(&mut out, "stageTimestamp", at);
        self.put_annotations(&mut out, !with_objects);
        out.push(b'}');
        out.into()
    }

    fn put_status(&self, out: &mut Vec<u8>) {
        if self.status.is_none() && self.code.is_none() {
            return;
        }
        let mut status = Map::new();
        status.insert("metadata".to_owned(), json!({}));
        status.extend(self.status.clone().unwrap_or_default());
        if let Some(code) = self.code {
            status.insert("code".to_owned(), json!(code));
        }
        key(out, "responseStatus");
        let mut first = true;
        for field in ["metadata", "status", "message", "reason", "details", "code"] {
            if let Some(value) = status.get(field) {
                out.push(if first { b'{' } else { b',' });
                first = false;
                string(out, field);
                out.push(b':');
                out.extend_from_slice(&encode_untyped(value));
            }
        }
        out.push(b'}');
    }

    fn put_annotations(&self, out: &mut Vec<u8>, cut: bool) {
        if self.annotations.is_empty() && !cut {
            return;
        }
        key(out, "annotations");
        let said = cut.then_some((TRUNCATED, "true"));
        let own = self
            .annotations
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()));
        let all: BTreeMap<&str, &str> = own.chain(said).collect();
        put_map(out, all.into_iter(), string);
    }

    /// The line of text that upstream calls legacy.
    fn line(&self, stage: Stage) -> String {
        let or = |text: &str, none: &str| match text {
            "" => none.to_owned(),
            text => text.to_owned(),
        };
        let groups = |groups: &[String]| {
            let quoted: Vec<String> = groups.iter().map(|group| quote(group)).collect();
            quoted.join(",")
        };
        let user = self.user.as_ref().filter(|user| !user.name.is_empty());
        let named = user.map_or("<none>", |user| &user.name);
        let in_groups = user.filter(|user| !user.groups.is_empty());
        let (acting, acting_groups) = match &self.impersonated {
            None => ("<self>", "<lookup>".to_owned()),
            Some(user) if user.groups.is_empty() => (user.name.as_str(), "<lookup>".to_owned()),
            Some(user) => (user.name.as_str(), groups(&user.groups)),
        };
        let namespace = self.object.as_ref().map_or("", |object| &object.namespace);
        let from = self.from.first().map(IpAddr::to_string);
        format!(
            "{} AUDIT: id={} stage={} ip={} method={} user={} groups={} as={} asgroups={} user-agent={} namespace={} uri={} response=\"{}\"",
            self.received,
            quote(&self.id),
            quote(stage.text()),
            quote(&from.unwrap_or_else(|| "<unknown>".to_owned())),
            quote(&self.verb),
            quote(named),
            quote(&in_groups.map_or("<none>".to_owned(), |user| groups(&user.groups))),
            quote(acting),
            quote(&acting_groups),
            quote(&self.agent),
            quote(&or(namespace, "<none>")),
            quote(&self.uri),
            self.code
                .map_or("<deferred>".to_owned(), |code| code.to_string()),
        )
    }
}

impl ObjectRef {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (name, value) in [
            ("resource", &self.resource),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("uid", &self.uid),
            ("apiGroup", &self.group),
            ("apiVersion", &self.version),
            ("resourceVersion", &self.resource_version),
            ("subresource", &self.subresource),
        ] {
            put_unless_empty(out, name, value);
        }
        out.push(b'}');
    }
}

fn put_user(out: &mut Vec<u8>, user: Option<&User>) {
    out.push(b'{');
    if let Some(user) = user {
        put_unless_empty(out, "username", &user.name);
        put_unless_empty(out, "uid", &user.uid);
        if !user.groups.is_empty() {
            key(out, "groups");
            put_texts(out, &user.groups);
        }
        if !user.extra.is_empty() {
            key(out, "extra");
            let extra = user
                .extra
                .iter()
                .map(|(key, values)| (key.as_str(), values));
            put_map(out, extra, |out, values| put_texts(out, values));
        }
    }
    out.push(b'}');
}

fn put_map<'a, T>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (&'a str, T)>,
    put: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'{');
    for (name, value) in entries {
        key(out, name);
        put(out, value);
    }
    out.push(b'}');
}

fn put_texts(out: &mut Vec<u8>, texts: &[String]) {
    out.push(b'[');
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, text);
    }
    out.push(b']');
}

/// The key of the next field.
fn key(out: &mut Vec<u8>, name: &str) {
    if !out.ends_with(b"{") {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

fn put_text(out: &mut Vec<u8>, name: &str, text: &str) {
    key(out, name);
    string(out, text);
}

fn put_unless_empty(out: &mut Vec<u8>, name: &str, text: &str) {
    if !text.is_empty() {
        put_text(out, name, text);
    }
}

/// A string of JSON as Go writes it. Most have nothing to escape.
fn string(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\<>&".contains(&byte);
    if text.bytes().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(&encode_untyped(&Value::from(text)));
    }
}
