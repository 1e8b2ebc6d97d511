//! OpenAPI of custom resources: routes and schemas of one version of a definition (apiextensions-apiserver
//! pkg/controller/openapi/builder/builder.go, and v2/conversion.go for what Swagger cannot say).

mod schema;

use serde_json::{Map, Value, json};

use super::definitions::Definitions;
use super::installer::{JSON, article, capital, root_of, shared};
use super::operation_id::operation_id;
use super::option_params::{OptionParams, path};
use super::route::{Body, Kind, Model, Param, Route};
use super::{Descriptions, Form, V2Part, option_params, v2, v3};
use crate::custom::{Definition, Version};
use crate::schema::schema as built_in;

const MEDIA: [&str; 2] = [JSON, "application/yaml"];
const PATCHES: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];
const NAMESPACE: &str = "object name and auth scope, such as for teams and projects";
const LIST_MORE: &str = "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

const PARTIAL_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadataList";

/// A kind in one of its versions.
pub type Shown<'a> = (&'a Definition, &'a Version);

/// The OpenAPI 3.0 document of a group-version of custom kinds.
pub fn v3_document(kinds: &[Shown<'_>], descriptions: &Descriptions<'_>) -> Value {
    let routes: Vec<Route> = kinds
        .iter()
        .flat_map(|kind| routes(*kind, descriptions))
        .collect();
    let of_all = versions(kinds);
    let mut definitions = Definitions::new(Form::V3, built_in(), descriptions, &of_all);
    definitions.adopt(schemas(kinds, descriptions, Form::V3));
    v3::custom_document(&routes, definitions)
}

/// What custom kinds add to the Swagger 2.0 document of the built-in ones, which has the definitions that all kinds refer to.
pub fn v2_part(kinds: &[Shown<'_>], descriptions: &Descriptions<'_>) -> V2Part {
    let routes: Vec<Route> = kinds
        .iter()
        .flat_map(|kind| routes(*kind, descriptions))
        .collect();
    let mut definitions = Definitions::new(Form::V2, built_in(), descriptions, &[]);
    definitions.adopt(schemas(kinds, descriptions, Form::V2));
    v2::part(&routes, definitions, Definitions::finish_adopted)
}

/// The names of a kind's definitions: its own and its list's.
pub fn definitions((definition, version): Shown<'_>) -> [String; 2] {
    [&version.kind, &definition.list_kind].map(|kind| name(version, kind))
}

/// The types whose descriptions those of custom kinds are made of.
pub const DESCRIBED_BY: [&str; 4] = [
    schema::SAMPLE,
    schema::PARTIAL,
    PARTIAL_LIST,
    option_params::DELETE_OPTIONS,
];

fn versions<'a>(kinds: &[Shown<'a>]) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> = kinds
        .iter()
        .map(|(_, version)| (&*version.group, &*version.name))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// `com.example.v1.Widget`: the group's parts reversed, the version, the kind.
fn name(version: &Version, kind: &str) -> String {
    let group: Vec<&str> = version.group.rsplit('.').collect();
    format!("{}.{}.{kind}", group.join("."), version.name)
}

fn schemas(
    kinds: &[Shown<'_>],
    descriptions: &Descriptions<'_>,
    form: Form,
) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (definition, version) in kinds {
        let own = name(version, &version.kind);
        all.push((own.clone(), schema::of_kind(version, descriptions, form)));
        let list = list(definition, version, &own, descriptions, form);
        all.push((name(version, &definition.list_kind), list));
    }
    all
}

fn list(
    definition: &Definition,
    version: &Version,
    item: &str,
    descriptions: &Descriptions<'_>,
    form: Form,
) -> Value {
    let metadata = descriptions.of_field(PARTIAL_LIST, "metadata");
    let (kind, list_kind) = (&definition.kind, &definition.list_kind);
    let mut properties = Map::new();
    properties.insert("apiVersion".into(), schema::api_version(descriptions));
    properties.insert(
        "items".into(),
        json!({
            "description": format!("List of {}. {LIST_MORE}", definition.plural),
            "type": "array",
            "items": form.reference(item, None),
        }),
    );
    properties.insert("kind".into(), schema::kind(descriptions));
    properties.insert(
        "metadata".into(),
        form.reference(schema::LIST_META, metadata),
    );
    let mut out = json!({
        "description": format!("{list_kind} is a list of {kind}"),
        "type": "object",
        "required": ["items"],
        "properties": properties,
        "x-kubernetes-group-version-kind": [{"group": version.group, "version": version.name, "kind": list_kind}],
    });
    schema::add_selectable(&mut out, version);
    out
}

fn routes((definition, version): Shown<'_>, descriptions: &Descriptions<'_>) -> Vec<Route> {
    let installer = Installer {
        options: OptionParams { descriptions },
        definition,
        version,
    };
    installer.routes()
}

struct Installer<'a> {
    options: OptionParams<'a>,
    definition: &'a Definition,
    version: &'a Version,
}

/// Where a route is: the collection everywhere, the collection, one object, a part of it.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Everywhere,
    Collection,
    Item,
    Part(&'static str),
}

impl Installer<'_> {
    fn routes(&self) -> Vec<Route> {
        let object = || Model::Custom(name(self.version, &self.version.kind));
        let list = || Model::Custom(name(self.version, &self.definition.list_kind));
        let mut all = Vec::new();
        if self.definition.namespaced {
            all.push(self.route(Place::Everywhere, ("get", "list", "list"), list()));
        }
        all.push(self.route(Place::Collection, ("get", "list", "list"), list()));
        all.push(self.route(Place::Collection, ("post", "post", "create"), object()));
        let status = || shared("Status").map_or(Model::Text, Model::Type);
        all.push(self.route(
            Place::Collection,
            ("delete", "deletecollection", "delete"),
            status(),
        ));
        all.extend(self.of_object(Place::Item, &object));
        all.push(self.route(Place::Item, ("delete", "delete", "delete"), status()));
        if self.version.has_status() {
            all.extend(self.of_object(Place::Part("status"), &object));
        }
        if self.version.scale().is_some() {
            let scale = built_in().type_named("autoscaling/v1.Scale");
            let scale = || scale.map_or(Model::Text, Model::Type);
            all.extend(self.of_object(Place::Part("scale"), &scale));
        }
        all
    }

    fn of_object(&self, place: Place, model: &dyn Fn() -> Model) -> [Route; 3] {
        [
            self.route(place, ("get", "get", "read"), model()),
            self.route(place, ("put", "put", "replace"), model()),
            self.route(place, ("patch", "patch", "patch"), model()),
        ]
    }

    fn route(
        &self,
        place: Place,
        (method, action, verb): (&'static str, &'static str, &'static str),
        model: Model,
    ) -> Route {
        let (definition, version) = (self.definition, self.version);
        let kind = &version.kind;
        let scoped = definition.namespaced && place != Place::Everywhere;
        let mut route_path = root_of(&version.group, &version.name);
        let mut params = vec![self.options.pretty()];
        if scoped {
            route_path.push_str("/namespaces/{namespace}");
            params.push(path("namespace", NAMESPACE));
        }
        route_path.push_str(&format!("/{}", definition.plural));
        if matches!(place, Place::Item | Place::Part(_)) {
            route_path.push_str("/{name}");
            params.push(path("name", format!("name of the {kind}")));
        }
        let part = match place {
            Place::Part(part) => part,
            _ => "",
        };
        if !part.is_empty() {
            route_path.push_str(&format!("/{part}"));
        }
        params.extend(self.params(action));
        let namespaced = if scoped { "Namespaced" } else { "" };
        let collection = if action == "deletecollection" {
            "collection"
        } else {
            ""
        };
        let suffix = if place == Place::Everywhere {
            "ForAllNamespaces"
        } else {
            ""
        };
        let what = format!("{collection}{namespaced}{kind}{}{suffix}", capital(part));
        let (id, tag) = operation_id(verb, &what, &route_path);
        Route {
            method,
            id,
            tag,
            description: describe(action, part, kind),
            consumes: if method == "patch" {
                PATCHES.to_vec()
            } else {
                MEDIA.to_vec()
            },
            produces: MEDIA.to_vec(),
            params,
            body: body(action, &model),
            responses: codes(action)
                .iter()
                .map(|code| (*code, model.clone()))
                .collect(),
            action: Some(action),
            kind: Some(Kind {
                group: version.group.clone(),
                version: version.name.clone(),
                kind: kind.clone(),
            }),
            path: route_path,
        }
    }

    fn params(&self, action: &str) -> Vec<Param> {
        match action {
            "get" => {
                let version = |param: &Param| param.name == "resourceVersion";
                self.options.list().into_iter().filter(version).collect()
            }
            "list" | "deletecollection" => self.options.list(),
            "post" | "put" => self.options.write(),
            "patch" => self.options.patch(),
            "delete" => self.options.delete(),
            _ => Vec::new(),
        }
    }
}

fn describe(action: &str, part: &str, kind: &str) -> String {
    let of = if part.is_empty() {
        String::new()
    } else {
        format!(" {part} of")
    };
    match action {
        "list" => format!("list objects of kind {kind}"),
        "post" => format!("create{}{kind}", article(kind)),
        "delete" => format!("delete{}{kind}", article(kind)),
        "deletecollection" => format!("delete collection of {kind}"),
        "put" => format!("replace{of} the specified {kind}"),
        "patch" => format!("partially update{of} the specified {kind}"),
        _ => format!("read{of} the specified {kind}"),
    }
}

fn body(action: &str, model: &Model) -> Option<Body> {
    let (model, required) = match action {
        "post" | "put" => (model.clone(), true),
        "patch" => (Model::Type(shared("Patch")?), true),
        "delete" => (Model::Type(shared("DeleteOptions")?), false),
        _ => return None,
    };
    Some(Body { model, required })
}

fn codes(action: &str) -> &'static [u16] {
    match action {
        "post" => &[200, 201, 202],
        "put" => &[200, 201],
        "delete" => &[200, 202],
        _ => &[200],
    }
}
