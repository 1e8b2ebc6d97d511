//! What policies and webhooks share: the request in the form that they see it, which requests they are for, and expressions over
//! both (apiserver pkg/admission/plugin/{cel,policy/matching,webhook/predicates}).

pub(super) mod access;
pub(super) mod criteria;
pub(super) mod scene;

use super::{Attributes, Lookup, Operation};
use crate::endpoint::convert;
use crate::handlers::scale;
use serde_json::{Map, Value, json};
use triad_machinery::codec::json::to_json_value;
use triad_machinery::meta;
use triad_machinery::schema::schema;
use triad_machinery::scheme::Resource;
use triad_machinery::status::{GroupResource, Status};

/// A request on its way through policies and webhooks. Objects are in the storage version.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) at: &'a Attributes,
    pub(super) object: Option<&'a Value>,
    pub(super) old: Option<&'a Value>,
    /// All changes have been made.
    pub(super) validating: bool,
}

impl<'a> Subject<'a> {
    /// The object that labels are read off: the new one, or the one that goes.
    pub(super) fn either(&self) -> Option<&'a Value> {
        self.object.or(self.old)
    }

    /// Whether the objects are those of the resource itself, and not of a verb on it.
    pub(super) fn is_resource(&self) -> bool {
        let kind = self.either().map_or("", meta::kind);
        kind.is_empty() || *kind == *self.at.resource.kind
    }

    pub(super) fn is_scale(&self) -> bool {
        self.at.subresource == "scale" && self.is_resource()
    }

    /// Group, version and kind of the objects as a resource's version shows them.
    pub(super) fn kind_in(&self, shown: &Resource) -> [String; 3] {
        if self.is_scale() {
            return ["autoscaling", "v1", "Scale"].map(str::to_owned);
        }
        match self.either().filter(|_| !self.is_resource()) {
            None => [&*shown.group, &*shown.version, &*shown.kind].map(str::to_owned),
            Some(object) => {
                let (group, version) = meta::group_version(meta::api_version(object));
                [group, version, meta::kind(object)].map(str::to_owned)
            }
        }
    }

    /// An object as a resource's version shows it, in the JSON that Go would write.
    pub(super) fn shown(&self, object: Option<&Value>, shown: &Resource) -> Value {
        let Some(object) = object else {
            return Value::Null;
        };
        if self.is_scale() {
            return to_json_value(
                &scale::scale_of(object),
                crate::reply::named("autoscaling/v1.Scale"),
            );
        }
        if !self.is_resource() {
            let [group, version, kind] = self.kind_in(shown);
            let group = match group.split('.').next() {
                None | Some("") => "core",
                Some(group) => group,
            };
            let ty = schema().type_named(&format!("{group}/{version}.{kind}"));
            return ty.map_or_else(|| object.clone(), |ty| to_json_value(object, ty));
        }
        let mut converted = match std::ptr::eq(self.at.stored(), shown) {
            true => object.clone(),
            false => convert(object.clone(), self.at.stored(), shown),
        };
        meta::set_type(&mut converted, &shown.group_version(), &shown.kind);
        let mut json = match shown.type_id() {
            Some(ty) => to_json_value(&converted, ty),
            None => converted,
        };
        if self.at.operation == Operation::Create
            && !self.validating
            && self.at.subresource.is_empty()
        {
            // These come after all changes.
            if let Some(metadata) = json.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.shift_remove("uid");
                metadata.shift_remove("creationTimestamp");
            }
        }
        json
    }

    pub(super) fn name(&self) -> &'a str {
        match (self.at.name.as_str(), self.at.operation) {
            ("", Operation::Create) => self.either().map_or("", meta::name),
            (name, _) => name,
        }
    }

    /// The request without its objects, as an AdmissionRequest has it, for what matched a resource's version.
    pub(super) fn request(&self, matched: &Resource) -> Map<String, Value> {
        let own = self.at.resource;
        let kind = |[group, version, kind]: [String; 3]| json!({"group": group, "version": version, "kind": kind});
        let resource = |of: &Resource| json!({"group": &*of.group, "version": &*of.version, "resource": &*of.plural});
        let mut request = Map::new();
        let mut put = |name: &str, value: Value| request.insert(name.to_owned(), value);
        put("kind", kind(self.kind_in(matched)));
        put("resource", resource(matched));
        if !self.at.subresource.is_empty() {
            put("subResource", json!(self.at.subresource));
        }
        put("requestKind", kind(self.kind_in(own)));
        put("requestResource", resource(own));
        if !self.at.subresource.is_empty() {
            put("requestSubResource", json!(self.at.subresource));
        }
        for (name, value) in [("name", self.name()), ("namespace", self.namespace())] {
            if !value.is_empty() {
                put(name, json!(value));
            }
        }
        put("operation", json!(self.at.operation.as_str()));
        put("userInfo", user(self.at));
        request
    }

    /// How the request asks, as an AdmissionRequest ends.
    pub(super) fn asked(&self) -> [(String, Value); 2] {
        let asked = &self.at.asked;
        [
            ("dryRun".to_owned(), json!(asked.dry_run)),
            ("options".to_owned(), asked.options(self.at.operation)),
        ]
    }

    /// The namespace of the request; that of a namespace is its own name.
    pub(super) fn namespace(&self) -> &str {
        match self.at.is("", "namespaces") {
            true => self.name(),
            false => &self.at.namespace,
        }
    }

    /// The namespace that a namespaced object lies in.
    pub(super) fn home(&self, lookup: &Lookup) -> Result<Option<Value>, Status> {
        if self.at.namespace.is_empty() || self.at.is("", "namespaces") {
            return Ok(None);
        }
        let name = &self.at.namespace;
        let found = lookup.find(&lookup.namespaces, "", name);
        let resource = GroupResource {
            group: "",
            resource: "namespaces",
        };
        found
            .map(Some)
            .ok_or_else(|| Status::not_found(resource, name))
    }
}

fn user(at: &Attributes) -> Value {
    let user = &at.user;
    let mut info = Map::new();
    info.insert("username".to_owned(), json!(user.name));
    if !user.uid.is_empty() {
        info.insert("uid".to_owned(), json!(user.uid));
    }
    if !user.groups.is_empty() {
        info.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        info.insert("extra".to_owned(), json!(user.extra));
    }
    Value::Object(info)
}
