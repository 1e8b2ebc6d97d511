//! `triadctl restore DEST --namespace N ...`: single objects out of a backup into a running cluster, through its API and so through its
//! admission and validation. What the server gives an object by itself (uid, resourceVersion, times, owners of fields) is left to it.

mod plan;

use std::ops::ControlFlow;

use anyhow::{Result, ensure};
use clap::Args;
use http::Method;
use serde_json::Value;
use triad_kv::Copy;
use triad_machinery::meta;

use crate::api::{self, Client};
use crate::stored::{self, ROOT, Stored};
use plan::{Found, Outcome};

/// How often an object is tried again that somebody else changed meanwhile.
const ATTEMPTS: usize = 5;

/// Which objects.
#[derive(Args)]
pub struct Selection {
    /// Only objects of this namespace, and the namespace itself
    #[arg(long)]
    pub namespace: Option<String>,
    /// Only objects of this kind, as ConfigMap
    #[arg(long)]
    pub kind: Option<String>,
    /// Only objects of this name
    #[arg(long)]
    pub name: Option<String>,
}

impl Selection {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.namespace.is_none() && self.kind.is_none() && self.name.is_none()
    }

    fn has(&self, object: &Value) -> bool {
        let (kind, namespace) = (meta::kind(object), meta::namespace(object));
        let placed = self.namespace.as_deref().is_none_or(|wanted| {
            wanted == namespace || (kind == "Namespace" && wanted == meta::name(object))
        });
        let fits = |wanted: &Option<String>, is: &str| {
            wanted.as_deref().is_none_or(|w| w.eq_ignore_ascii_case(is))
        };
        // Events tell of what was; what is restored has none of it behind it.
        let asked = kind != "Event" || self.kind.is_some();
        placed && asked && fits(&self.kind, kind) && fits(&self.name, meta::name(object))
    }
}

/// Restores the objects, or says what that would do.
///
/// # Errors
/// When nothing is found, the backup is damaged, or the server does not answer.
pub fn restore(client: &Client, copy: &Copy, selection: &Selection, yes: bool) -> Result<String> {
    let found = select(copy, selection)?;
    ensure!(!found.is_empty(), "the backup holds no such object");
    let mut run = Run {
        client,
        yes,
        made: Vec::new(),
        counts: [0; 4],
        out: String::new(),
    };
    for object in found {
        run.restore(object)?;
    }
    run.end()
}

fn select(copy: &Copy, selection: &Selection) -> Result<Vec<Found>> {
    let (mut found, mut hidden) = (Vec::new(), 0);
    copy.visit(ROOT.as_bytes(), b"/registry0", |entry| {
        let key = String::from_utf8_lossy(&entry.key);
        match stored::read(&key, &entry.value) {
            Ok(Stored::Object(object)) if selection.has(&object) => {
                found.extend(Found::new(&key, *object));
            }
            Ok(Stored::Encrypted(_)) => hidden += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    ensure!(
        hidden == 0 || !found.is_empty(),
        "{hidden} values are encrypted at rest, and nothing else was asked for"
    );
    // What others lie in comes first.
    found.sort_by_key(Found::rank);
    Ok(found)
}

struct Run<'a> {
    client: &'a Client,
    yes: bool,
    /// Namespaces that are, or would be, made by this run.
    made: Vec<String>,
    /// How many had which outcome.
    counts: [u64; 4],
    out: String,
}

impl Run<'_> {
    fn restore(&mut self, mut object: Found) -> Result<()> {
        for owner in object.owners() {
            if !self.is_there(&owner)? {
                self.say(&format!(
                    "{object}: its owner {} ({}) is not there: it is restored without it, since the garbage collector would remove it",
                    owner.name, owner.uid
                ));
                object.leave(&owner.uid);
            }
        }
        let mut outcome = self.attempt(&object)?;
        for _ in 0..ATTEMPTS {
            match outcome {
                // Somebody made or changed it meanwhile: controllers fill a new namespace.
                Outcome::Conflict(_) => outcome = self.attempt(&object)?,
                _ => break,
            }
        }
        if let (Outcome::Created, Some(namespace)) = (&outcome, object.is_namespace()) {
            self.made.push(namespace);
        }
        self.counts[outcome.index()] += 1;
        self.say(&format!("{object} {}", outcome.text(self.yes)));
        Ok(())
    }

    fn attempt(&self, object: &Found) -> Result<Outcome> {
        match self.get(&object.path())? {
            Some(live) if object.equals(&live) => Ok(Outcome::Unchanged),
            Some(live) => self.send(
                Method::PUT,
                &object.path(),
                &object.replacing(&live),
                Outcome::Replaced,
            ),
            // The server could not say: the namespace is not there yet.
            None if !self.yes && self.made.iter().any(|made| *made == object.namespace()) => {
                Ok(Outcome::Created)
            }
            None => self.send(
                Method::POST,
                &object.list(),
                &object.body(),
                Outcome::Created,
            ),
        }
    }

    /// Whether an owner is there, the very one.
    fn is_there(&self, owner: &plan::Owner) -> Result<bool> {
        let Some(path) = &owner.path else {
            return Ok(false);
        };
        let live = self.get(path)?;
        Ok(live.is_some_and(|live| meta::uid(&live) == owner.uid))
    }

    fn get(&self, path: &str) -> Result<Option<Value>> {
        match self.client.call(Method::GET, path, None) {
            Ok(object) => Ok(Some(object)),
            Err(error) if api::status(&error) == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn send(&self, method: Method, path: &str, body: &Value, done: Outcome) -> Result<Outcome> {
        let dry = if self.yes { "" } else { "&dryRun=All" };
        let path = format!("{path}?fieldManager=triadctl-restore{dry}");
        match self.client.call(method, &path, Some(body)) {
            Ok(_) => Ok(done),
            Err(error) => match api::status(&error) {
                Some(409) => Ok(Outcome::Conflict(error.root_cause().to_string())),
                Some(_) => Ok(Outcome::Refused(error.root_cause().to_string())),
                None => Err(error),
            },
        }
    }

    fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn end(mut self) -> Result<String> {
        let [created, replaced, unchanged, refused] = self.counts;
        let tail = if self.yes {
            ""
        } else {
            " (dry run: say --yes to do it)"
        };
        self.say(&format!(
            "{created} created, {replaced} replaced, {unchanged} unchanged, {refused} refused{tail}"
        ));
        ensure!(refused == 0, "{}", self.out.trim_end());
        Ok(self.out)
    }
}
