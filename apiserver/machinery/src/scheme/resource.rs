//! One resource of a group-version: its names, what may be done with it, how it is stored, named, updated, selected and shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

use crate::custom::{Definition, Version};
use crate::schema::{Lifecycle, Name, TypeId, schema};

/// A resource as the table says it.
#[derive(Debug, Clone)]
pub struct Resource {
    pub group: Name,
    pub version: Name,
    pub plural: Name,
    pub singular: Name,
    pub kind: Name,
    pub short_names: Vec<Name>,
    pub categories: Vec<Name>,
    pub namespaced: bool,
    /// In discovery's order (alphabetical).
    pub verbs: Vec<Name>,
    /// None for resources that only answer (reviews, bindings, componentstatuses).
    pub storage: Option<Storage>,
    pub name_rule: NameRule,
    /// A tighter bound on the name's length than the rule's.
    pub name_max: Option<usize>,
    /// generateName is not judged by the rule, the name that comes of it alone.
    pub any_generate_name: bool,
    pub generation: Generation,
    /// PUT of an absent object makes it.
    pub create_on_update: bool,
    /// PUT without a resourceVersion replaces whatever is there.
    pub unconditional_update: bool,
    pub graceful_delete: bool,
    /// A finished deletion answers with the object's last state instead of a Status.
    pub returns_deleted: bool,
    pub gc: GcPolicy,
    pub served_by_default: bool,
    pub subresources: Vec<Subresource>,
    /// Field selectors beside metadata.name and metadata.namespace.
    pub selectable: Vec<Name>,
    /// Those of them that the stored object has under another name: here, there.
    pub selected_as: Vec<(Name, Name)>,
    pub columns: Vec<Column>,
    /// Every Table of a watch defines its columns, not the first alone.
    pub repeats_columns: bool,
    pub(crate) type_id: Option<TypeId>,
    pub(crate) list_type: Option<TypeId>,
}

/// The version that is written to the store, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub group: Name,
    pub version: Name,
    /// Key prefix without a slash at the end, `/registry/pods`.
    pub key: Name,
}

/// A subresource; group, version and kind are those of the object that it takes or gives.
#[derive(Debug, Clone)]
pub struct Subresource {
    pub name: Name,
    pub group: Name,
    pub version: Name,
    pub kind: Name,
    pub verbs: Vec<Name>,
    /// Whether answers may be shown as a Table.
    pub tables: bool,
}

/// A table column.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: Name,
    /// `string`, `integer`, `boolean`, `date`.
    pub column_type: Name,
    /// `name` or empty.
    pub format: Name,
    /// 0 is always shown, 1 in wide output.
    pub priority: i32,
    /// What the cell holds, in words.
    pub cell: Name,
}

/// What an object may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameRule {
    /// DNS-1123 subdomain, at most 253 characters.
    #[default]
    Subdomain,
    /// DNS-1123 label, at most 63 characters.
    Label,
    /// Neither `.` nor `..`, no `/` and no `%`.
    PathSegment,
    /// `<spec.names.plural>.<spec.group>`.
    CustomResourceDefinition,
    /// `<spec.version>.<spec.group>`.
    ApiService,
    /// An IP address in its canonical form.
    IpAddress,
    /// The signer as a prefix when there is one.
    TrustBundle,
    /// `<group>.<resource>`.
    StorageVersion,
    /// Whatever can stand in a path.
    Any,
}

/// When metadata.generation moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Generation {
    /// 1 on create.
    pub on_create: bool,
    /// One more whenever something outside metadata and status changes.
    pub on_update: bool,
}

/// What a delete without a propagation policy does to dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GcPolicy {
    #[default]
    DeleteDependents,
    OrphanDependents,
    /// Garbage collection does not apply.
    Unsupported,
}

impl Resource {
    /// `apps/v1`, or `v1` in the core group.
    pub fn group_version(&self) -> String {
        group_version(&self.group, &self.version)
    }

    /// The type of its objects.
    pub fn type_id(&self) -> Option<TypeId> {
        self.type_id
    }

    /// The type of its lists; none where it cannot be listed.
    pub fn list_type(&self) -> Option<TypeId> {
        self.list_type
    }

    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }

    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Whether a field selector may name this field.
    pub fn selectable(&self, field: &str) -> bool {
        field == "metadata.name"
            || field == "metadata.namespace" && self.namespaced
            || self.selectable.iter().any(|f| f == field)
    }

    /// The name under which the stored object has a selectable field.
    pub fn selected_as<'a>(&'a self, field: &'a str) -> &'a str {
        let renamed = self.selected_as.iter().find(|(here, _)| here == field);
        renamed.map_or(field, |(_, there)| there)
    }

    pub fn lifecycle(&self) -> Option<&'static Lifecycle> {
        let built_in = self.type_id.filter(|_| !self.is_custom());
        built_in.map(|id| &schema().get(id).lifecycle)
    }

    /// Discovery's storageVersionHash: the first eight bytes of SHA-256 over `group/version/kind` of what is stored.
    pub fn storage_version_hash(&self) -> Option<String> {
        let storage = self.storage.as_ref()?;
        let digest = Sha256::digest(format!(
            "{}/{}/{}",
            storage.group, storage.version, self.kind
        ));
        Some(STANDARD.encode(&digest[..8]))
    }
}

impl Resource {
    /// A custom resource in one of its versions. `selectable` are the fields that its objects are indexed by.
    pub fn custom(definition: &Definition, version: &Version, selectable: &[String]) -> Self {
        const VERBS: [&str; 8] = [
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "create",
            "update",
            "watch",
        ];
        let names = |list: &[String]| list.iter().cloned().map(Name::from).collect();
        let name = |text: &str| Name::from(text.to_owned());
        let key = format!("/registry/{}/{}", definition.group, definition.plural);
        Resource {
            group: name(&definition.group),
            version: name(&version.name),
            plural: name(&definition.plural),
            singular: name(&definition.singular),
            kind: name(&definition.kind),
            short_names: names(&definition.short_names),
            categories: names(&definition.categories),
            namespaced: definition.namespaced,
            verbs: VERBS.map(Name::from).to_vec(),
            storage: Some(Storage {
                group: name(&definition.group),
                version: name(&definition.storage),
                key: key.into(),
            }),
            name_rule: NameRule::Subdomain,
            name_max: None,
            any_generate_name: false,
            generation: Generation {
                on_create: true,
                on_update: true,
            },
            create_on_update: false,
            unconditional_update: false,
            graceful_delete: false,
            returns_deleted: false,
            gc: GcPolicy::DeleteDependents,
            served_by_default: true,
            subresources: Subresource::of_version(version),
            selectable: names(selectable),
            selected_as: Vec::new(),
            columns: Vec::new(),
            repeats_columns: false,
            type_id: unstructured(),
            list_type: unstructured(),
        }
    }

    /// Whether a definition made it.
    pub fn is_custom(&self) -> bool {
        self.type_id.is_some() && self.type_id == unstructured()
    }
}

/// The type of objects that have their schema elsewhere.
fn unstructured() -> Option<TypeId> {
    static FOUND: OnceLock<Option<TypeId>> = OnceLock::new();
    *FOUND.get_or_init(|| schema().type_named("meta/v1.Unstructured"))
}

impl Subresource {
    /// Those of a custom resource.
    fn of_version(version: &Version) -> Vec<Self> {
        let verbs = || ["get", "patch", "update"].map(Name::from).to_vec();
        let mut all = Vec::new();
        if version.has_status() {
            all.push(Subresource {
                name: "status".into(),
                group: version.group.clone().into(),
                version: version.name.clone().into(),
                kind: version.kind.clone().into(),
                verbs: verbs(),
                tables: true,
            });
        }
        if version.scale().is_some() {
            all.push(Subresource {
                name: "scale".into(),
                group: "autoscaling".into(),
                version: "v1".into(),
                kind: "Scale".into(),
                verbs: verbs(),
                tables: true,
            });
        }
        all
    }

    pub fn type_id(&self) -> Option<TypeId> {
        schema().kind(&self.group, &self.version, &self.kind)
    }

    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

/// `apps/v1`, or `v1` in the core group.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}
