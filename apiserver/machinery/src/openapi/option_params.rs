//! Query parameters: the options of each kind of request. Those that DeleteOptions has are described as its fields are, the
//! others here.

use super::Descriptions;
use super::route::{Location, Param};
use crate::schema::{FieldType, schema};

pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

const DRY_RUN: Listed = ("dryRun", "string", "");
const FIELD_MANAGER: Listed = (
    "fieldManager",
    "string",
    "Who makes the change: the name that the fields it sets are recorded under. At most 128 printable characters.",
);
const FIELD_VALIDATION: Listed = (
    "fieldValidation",
    "string",
    "What to do about unknown and duplicate fields in the request: Ignore drops them silently, Warn (the default) drops them and sends a warning for each, Strict refuses the request.",
);

type Listed = (&'static str, &'static str, &'static str);

const LIST: &[Listed] = &[
    (
        "allowWatchBookmarks",
        "boolean",
        "Asks a watch for BOOKMARK events, which tell how far it has come. When they come is up to the server. Means nothing without a watch.",
    ),
    (
        "continue",
        "string",
        "Where a previous list with a limit ended: the continue value of its metadata. All other parameters must be as they were. A value that is too old is answered with 410 ResourceExpired and a value to go on with from the present state.",
    ),
    (
        "fieldSelector",
        "string",
        "Restricts the objects by their fields. Defaults to everything.",
    ),
    (
        "labelSelector",
        "string",
        "Restricts the objects by their labels. Defaults to everything.",
    ),
    (
        "limit",
        "integer",
        "How many objects to return at most. When there are more, the continue value of the list's metadata asks for the rest, all of it as of the same revision.",
    ),
    (
        "resourceVersion",
        "string",
        "Which resource versions the request may be answered from; see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions. Defaults to unset.",
    ),
    (
        "resourceVersionMatch",
        "string",
        "How resourceVersion applies to a list: Exact or NotOlderThan; see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions. Defaults to unset.",
    ),
    (
        "sendInitialEvents",
        "boolean",
        "With a watch: begins with the present state as ADDED events and a BOOKMARK event annotated `k8s.io/initial-events-end`, then goes on as a watch does. Needs resourceVersionMatch=NotOlderThan.",
    ),
    (
        "shardSelector",
        "string",
        "Restricts the objects to a range of hashes, such as shardRange(object.metadata.uid, '0x0', '0x8000000000000000'). Alpha: needs the feature gate ShardedListAndWatch.",
    ),
    (
        "timeoutSeconds",
        "integer",
        "How long the list or watch may take, in seconds.",
    ),
    (
        "watch",
        "boolean",
        "Sends changes as they happen instead of a list. Specify resourceVersion.",
    ),
];

const DELETE: &[Listed] = &[
    DRY_RUN,
    ("gracePeriodSeconds", "integer", ""),
    (
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "",
    ),
    ("orphanDependents", "boolean", ""),
    ("propagationPolicy", "string", ""),
];

const WRITE: &[Listed] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];

const FORCE: Listed = (
    "force",
    "boolean",
    "Lets an apply take over fields that others own. Not for other patches.",
);

const PRETTY: Listed = (
    "pretty",
    "string",
    "If true, the answer is indented; so it is for browsers, curl and wget unless this says otherwise.",
);

/// Options of requests that are handed on, in the words of the field's name.
const CONNECT: &[(&str, &str)] = &[
    (
        "command",
        "What to run, an argument each; not run in a shell.",
    ),
    (
        "container",
        "The container to use, where the pod has more than one.",
    ),
    ("follow", "Follows the log as it is written."),
    (
        "insecureSkipTLSVerifyBackend",
        "Does not check the certificate of the node that the log comes from.",
    ),
    ("limitBytes", "How many bytes of the log to return at most."),
    ("path", "The path of the request to hand on."),
    ("ports", "The ports to forward; needed for WebSockets."),
    (
        "previous",
        "Returns the log of the container that ran before this one.",
    ),
    (
        "sinceSeconds",
        "Returns what has been written in so many seconds.",
    ),
    ("stderr", "Redirects standard error."),
    ("stdin", "Redirects standard input."),
    ("stdout", "Redirects standard output."),
    (
        "stream",
        "Which stream of the log to return: All, Stdout or Stderr.",
    ),
    ("tailLines", "How many lines from the log's end to return."),
    ("timestamps", "Begins each line with its time."),
    ("tty", "Gives the process a terminal."),
];

/// Makes parameters.
pub(super) struct OptionParams<'a> {
    pub(super) descriptions: &'a Descriptions<'a>,
}

impl OptionParams<'_> {
    pub(super) fn list(&self) -> Vec<Param> {
        self.all(LIST)
    }

    pub(super) fn delete(&self) -> Vec<Param> {
        self.all(DELETE)
    }

    /// Deleting a collection: chosen as in a list, deleted as one object is.
    pub(super) fn delete_collection(&self) -> Vec<Param> {
        let chosen = self
            .list()
            .into_iter()
            .filter(|p| p.name != "watch" && p.name != "allowWatchBookmarks");
        chosen.chain(self.delete()).collect()
    }

    pub(super) fn write(&self) -> Vec<Param> {
        self.all(WRITE)
    }

    pub(super) fn patch(&self) -> Vec<Param> {
        self.all(WRITE)
            .into_iter()
            .chain([self.one(&FORCE)])
            .collect()
    }

    pub(super) fn pretty(&self) -> Param {
        self.one(&PRETTY)
    }

    /// The fields of an options kind such as PodExecOptions.
    pub(super) fn of_kind(&self, name: &str) -> Vec<Param> {
        let Some(options) = schema()
            .type_named(&format!("core/v1.{name}"))
            .and_then(|id| schema().struct_of(id))
        else {
            return Vec::new();
        };
        let fields = options
            .fields
            .iter()
            .filter(|f| !matches!(&*f.name, "kind" | "apiVersion"));
        fields
            .filter_map(|field| {
                // A list in a query is a parameter that recurs: its element says the type.
                let ty = match field.ty.element().unwrap_or(&field.ty) {
                    FieldType::Bool => "boolean",
                    FieldType::Int32 | FieldType::Int64 => "integer",
                    FieldType::String => "string",
                    _ => return None,
                };
                let text = CONNECT
                    .iter()
                    .find(|(name, _)| *name == field.name)
                    .map_or("", |(_, text)| text);
                Some(query(&field.name, ty, text.to_owned()))
            })
            .collect()
    }

    fn all(&self, options: &[Listed]) -> Vec<Param> {
        options.iter().map(|option| self.one(option)).collect()
    }

    fn one(&self, (name, ty, text): &Listed) -> Param {
        let text = if text.is_empty() {
            self.descriptions
                .of_field(DELETE_OPTIONS, name)
                .unwrap_or_default()
        } else {
            (*text).to_owned()
        };
        query(name, ty, text)
    }
}

fn query(name: &str, ty: &'static str, description: String) -> Param {
    Param {
        name: name.to_owned(),
        location: Location::Query,
        ty,
        description,
    }
}

/// A parameter of the path.
pub(super) fn path(name: &str, description: impl Into<String>) -> Param {
    Param {
        name: name.to_owned(),
        location: Location::Path,
        ty: "string",
        description: description.into(),
    }
}
