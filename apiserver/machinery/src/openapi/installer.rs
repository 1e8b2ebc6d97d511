//! From resources to routes: what may be done with each, at which paths, in upstream's words
//! (apiserver pkg/endpoints/installer.go).

use super::operation_id::operation_id;
use super::option_params::OptionParams;
use super::route::{Body, Kind, Model, Route};
use super::target::Target;
use crate::schema::{TypeId, schema};
use crate::scheme::{Resource, Subresource};

pub(super) const JSON: &str = "application/json";
pub(super) const MEDIA: [&str; 3] = [
    JSON,
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
const WATCH_MEDIA: [&str; 5] = [
    JSON,
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const PROXY_METHODS: [&str; 7] = ["delete", "get", "head", "options", "patch", "post", "put"];

/// Writes the routes of one resource and its subresources.
pub(super) struct Installer<'a> {
    pub(super) options: OptionParams<'a>,
    resource: &'a Resource,
    /// `/apis/apps/v1`
    root: String,
    routes: Vec<Route>,
}

impl<'a> Installer<'a> {
    /// All routes of a resource.
    pub(super) fn install(options: OptionParams<'a>, resource: &'a Resource) -> Vec<Route> {
        let mut installer = Installer {
            options,
            resource,
            root: root_of(&resource.group, &resource.version),
            routes: Vec::new(),
        };
        installer.main();
        for subresource in &resource.subresources {
            installer.subresource(subresource);
        }
        installer.routes
    }

    fn main(&mut self) {
        let has = |verb: &str| self.resource.has_verb(verb);
        let (list, create, delete_all, watch) = (
            has("list"),
            has("create"),
            has("deletecollection"),
            has("watch"),
        );
        let (get, update, patch, delete) = (has("get"), has("update"), has("patch"), has("delete"));
        let collection = Target::collection(self.resource);
        for (on, make) in [
            (list, Self::list as fn(&mut Self, &Target<'_>)),
            (create, Self::create),
            (delete_all, Self::delete_collection),
        ] {
            if on {
                make(self, &collection);
            }
        }
        if list && watch {
            self.watch(&collection, true);
        }
        let item = Target::item(self.resource);
        for (on, make) in [
            (get, Self::get as fn(&mut Self, &Target<'_>)),
            (update, Self::update),
            (patch, Self::patch),
            (delete, Self::delete),
        ] {
            if on {
                make(self, &item);
            }
        }
        if get && watch {
            self.watch(&item, false);
        }
        if self.resource.namespaced && list {
            let everywhere = Target::all_namespaces(self.resource);
            self.list(&everywhere);
            if watch {
                self.watch(&everywhere, true);
            }
        }
    }

    fn subresource(&mut self, subresource: &'a Subresource) {
        let item = Target::part(self.resource, subresource);
        if subresource.kind.ends_with("Options") {
            let methods: Vec<&'static str> = if subresource.name == "proxy" {
                PROXY_METHODS.to_vec()
            } else {
                vec!["get", "post"]
            };
            methods
                .iter()
                .for_each(|method| self.connect(&item, subresource, method));
            if subresource.name == "proxy" {
                let item = item.below();
                methods
                    .iter()
                    .for_each(|method| self.connect(&item, subresource, method));
            }
            return;
        }
        for (verb, make) in [
            ("create", Self::create as fn(&mut Self, &Target<'_>)),
            ("get", Self::get),
            ("update", Self::update),
            ("patch", Self::patch),
            ("delete", Self::delete),
        ] {
            if subresource.has_verb(verb) {
                make(self, &item);
            }
        }
    }

    fn get(&mut self, target: &Target<'_>) {
        let text = match target.subresource {
            Some(s) => format!("read {} of the specified {}", s.name, self.resource.kind),
            None => format!("read the specified {}", self.resource.kind),
        };
        let mut route = self.route(target, "get", "get", ("read", ""), text);
        if target.subresource.is_some_and(|s| s.name == "log") {
            route.produces.insert(0, "text/plain");
            route.params.extend(self.options.of_kind("PodLogOptions"));
            route.responses = vec![(200, Model::Text)];
        } else {
            route.responses = answers(target, &[200]);
        }
        self.routes.push(route);
    }

    fn list(&mut self, target: &Target<'_>) {
        let doing = if self.resource.has_verb("watch") {
            "list or watch"
        } else {
            "list"
        };
        let text = format!("{doing} objects of kind {}", self.resource.kind);
        let mut route = self.route(target, "get", "list", ("list", ""), text);
        route.produces = WATCH_MEDIA.to_vec();
        route.params.extend(self.options.list());
        route.responses = self
            .resource
            .list_type()
            .map(|id| (200, Model::Type(id)))
            .into_iter()
            .collect();
        self.routes.push(route);
    }

    fn create(&mut self, target: &Target<'_>) {
        let article = article(&self.resource.kind);
        let text = match target.subresource {
            Some(s) => format!("create {} of{article}{}", s.name, self.resource.kind),
            None => format!("create{article}{}", self.resource.kind),
        };
        let mut route = self.route(target, "post", "post", ("create", ""), text);
        route.params.extend(self.options.write());
        route.body = body(target);
        route.responses = answers(target, &[200, 201, 202]);
        self.routes.push(route);
    }

    fn update(&mut self, target: &Target<'_>) {
        let text = match target.subresource {
            Some(s) => format!("replace {} of the specified {}", s.name, self.resource.kind),
            None => format!("replace the specified {}", self.resource.kind),
        };
        let mut route = self.route(target, "put", "put", ("replace", ""), text);
        route.params.extend(self.options.write());
        route.body = body(target);
        route.responses = answers(target, &[200, 201]);
        self.routes.push(route);
    }

    fn patch(&mut self, target: &Target<'_>) {
        let text = match target.subresource {
            Some(s) => format!(
                "partially update {} of the specified {}",
                s.name, self.resource.kind
            ),
            None => format!("partially update the specified {}", self.resource.kind),
        };
        let mut route = self.route(target, "patch", "patch", ("patch", ""), text);
        route.consumes = PATCHES.to_vec();
        route.params.extend(self.options.patch());
        route.body = shared("Patch").map(|ty| Body {
            model: Model::Type(ty),
            required: true,
        });
        route.responses = answers(target, &[200, 201]);
        self.routes.push(route);
    }

    fn delete(&mut self, target: &Target<'_>) {
        let text = format!(
            "delete{}{}",
            article(&self.resource.kind),
            self.resource.kind
        );
        let mut route = self.route(target, "delete", "delete", ("delete", ""), text);
        route.params.extend(self.options.delete());
        route.body = shared("DeleteOptions").map(|ty| Body {
            model: Model::Type(ty),
            required: false,
        });
        route.responses = if self.resource.returns_deleted {
            answers(target, &[200, 202])
        } else {
            status(&[200, 202])
        };
        self.routes.push(route);
    }

    fn delete_collection(&mut self, target: &Target<'_>) {
        let text = format!("delete collection of {}", self.resource.kind);
        let mut route = self.route(
            target,
            "delete",
            "deletecollection",
            ("delete", "collection"),
            text,
        );
        route.params.extend(self.options.delete_collection());
        route.body = shared("DeleteOptions").map(|ty| Body {
            model: Model::Type(ty),
            required: false,
        });
        route.responses = status(&[200]);
        self.routes.push(route);
    }

    /// The old paths below /watch, of one object or of a list.
    fn watch(&mut self, target: &Target<'_>, list: bool) {
        let kind = &self.resource.kind;
        let (text, action) = if list {
            (
                format!(
                    "watch individual changes to a list of {kind}. deprecated: use the 'watch' parameter with a list operation instead."
                ),
                "watchlist",
            )
        } else {
            (
                format!(
                    "watch changes to an object of kind {kind}. deprecated: use the 'watch' parameter with a list operation instead, filtered to a single item with the 'fieldSelector' parameter."
                ),
                "watch",
            )
        };
        let mut route = self.route(target, "get", action, ("watch", ""), text);
        route.path = format!("{}/watch{}", self.root, target.path);
        route.produces = WATCH_MEDIA.to_vec();
        if list {
            let what = format!("{}{kind}List{}", target.namespaced, target.suffix);
            (route.id, route.tag) = operation_id("watch", &what, &route.path);
        }
        route.params.extend(self.options.list());
        route.responses = shared("WatchEvent")
            .map(|id| (200, Model::Type(id)))
            .into_iter()
            .collect();
        self.routes.push(route);
    }

    fn connect(&mut self, target: &Target<'_>, subresource: &Subresource, method: &'static str) {
        let text = format!(
            "connect {} requests to {} of {}",
            method.to_ascii_uppercase(),
            subresource.name,
            self.resource.kind
        );
        let mut route = self.route(
            target,
            method,
            "connect",
            ("connect", &capital(method)),
            text,
        );
        route.params.retain(|p| p.name != "pretty");
        route.params.extend(self.options.of_kind(&subresource.kind));
        route.produces = vec!["*/*"];
        route.responses = vec![(200, Model::Text)];
        self.routes.push(route);
    }

    /// A route with what all have. Its id is `verb` and, after group and version, `infix` and the kind.
    fn route(
        &self,
        target: &Target<'_>,
        method: &'static str,
        action: &'static str,
        (verb, infix): (&str, &str),
        description: String,
    ) -> Route {
        let resource = self.resource;
        let path = format!("{}{}", self.root, target.path);
        let part = target
            .subresource
            .map_or(String::new(), |s| capital(&s.name));
        let what = format!(
            "{infix}{}{}{part}{}",
            target.namespaced, resource.kind, target.suffix
        );
        let (id, tag) = operation_id(verb, &what, &path);
        let (group, version, kind) = match target.subresource {
            Some(s) => (&s.group, &s.version, &s.kind),
            None => (&resource.group, &resource.version, &resource.kind),
        };
        let mut params = target.params.clone();
        params.push(self.options.pretty());
        Route {
            path,
            method,
            id,
            tag,
            description,
            consumes: vec!["*/*"],
            produces: MEDIA.to_vec(),
            params,
            body: None,
            responses: Vec::new(),
            action: Some(action),
            kind: Some(Kind {
                group: group.to_string(),
                version: version.to_string(),
                kind: kind.to_string(),
            }),
        }
    }
}

/// What is sent in: the object itself.
fn body(target: &Target<'_>) -> Option<Body> {
    target.object().map(|ty| Body {
        model: Model::Type(ty),
        required: true,
    })
}

fn answers(target: &Target<'_>, codes: &[u16]) -> Vec<(u16, Model)> {
    let object = target.object();
    let answer = |code: &u16| Some((*code, Model::Type(object?)));
    codes.iter().filter_map(answer).collect()
}

/// `/apis/apps/v1`, `/api/v1`.
pub(super) fn root_of(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    }
}

/// A kind that every group-version knows.
pub(super) fn shared(name: &str) -> Option<TypeId> {
    schema().type_named(&format!("meta/v1.{name}"))
}

fn status(codes: &[u16]) -> Vec<(u16, Model)> {
    codes
        .iter()
        .filter_map(|code| Some((*code, Model::Type(shared("Status")?))))
        .collect()
}

/// The article with blanks around it; plurals have none.
pub(super) fn article(kind: &str) -> &'static str {
    if kind.ends_with('s') && !kind.ends_with("ss") {
        " "
    } else if kind.starts_with(['A', 'E', 'I', 'O', 'U']) {
        " an "
    } else {
        " a "
    }
}

pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
