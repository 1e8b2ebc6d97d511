//! The schema: every built-in type, its fields and what is known about them, as one runtime structure that codecs, patches,
//! defaulting, validation and OpenAPI interpret. Read once from `schema/*.api` (format: schema/README.md); a custom
//! resource's schema goes into the same form at run time: `Struct::new` and `Schema::add`, on a schema read with `built_in`.

mod field;
mod field_type;
mod files;
mod go_type;
mod innermost;
mod name_index;
mod object_type;
mod resolve;
mod table;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

pub use field::{Field, ListType, MapType, PatchStrategy};
pub use field_type::FieldType;
pub use object_type::{Lifecycle, ProtoField, ProtoSlot, Replacement, Shape, Struct, Type};
pub(crate) use table::Place;
pub use table::{Table, TableError};

/// A string of the table: borrowed from the embedded files, owned in schemas built at run time.
pub type Name = Cow<'static, str>;

/// The place of a type in its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(crate) u32);

impl TypeId {
    /// Its number: types are counted from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One package of the table: a group-version, or a package of shared types without one.
#[derive(Clone, Debug)]
pub struct Package {
    /// `core/v1`: how types of this package are named, before the dot.
    pub name: Name,
    /// Group and version (the core group is empty); none for packages of shared types.
    pub group_version: Option<(Name, Name)>,
    /// Protobuf package, empty where there is none.
    pub proto: Name,
    /// Go import path; its last part is what Go's messages show.
    pub go: Name,
}

/// All types, by number, name and group-version-kind.
#[derive(Debug, Default)]
pub struct Schema {
    types: Vec<Type>,
    packages: Vec<Package>,
    by_name: HashMap<Name, TypeId>,
    by_group_version: HashMap<(Name, Name), usize>,
    /// What an alias was declared as, for Go's messages.
    alias_target: HashMap<TypeId, Name>,
}

impl Schema {
    /// Resolves names and flattens embedded structs. Fails on a name that no type bears.
    pub fn build(table: Table) -> Result<Self, TableError> {
        resolve::resolve(table)
    }

    /// Adds a type made at run time (a custom resource's, say) and makes it known by its name.
    pub fn add(&mut self, ty: Type) -> TypeId {
        let id = TypeId(self.types.len() as u32);
        self.by_name.insert(ty.name.clone(), id);
        self.types.push(ty);
        id
    }

    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// Every type with its id, in table order.
    pub fn type_ids(&self) -> impl Iterator<Item = TypeId> + '_ {
        (0..self.types.len() as u32).map(TypeId)
    }

    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    pub fn get(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }

    pub fn package_of(&self, id: TypeId) -> &Package {
        &self.packages[self.get(id).package]
    }

    /// The type called `core/v1.Pod`, aliases of structs followed.
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).map(|id| self.follow(*id))
    }

    /// The type of an object, by its group-version-kind. The kinds that every group-version knows (Status, DeleteOptions,
    /// WatchEvent and so on) are found under each of them.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeId> {
        let own = self
            .by_group_version
            .get(&(Cow::Borrowed(group), Cow::Borrowed(version)) as &(Cow<'_, str>, Cow<'_, str>))
            .and_then(|package| {
                self.type_named(&format!("{}.{kind}", self.packages[*package].name))
            })
            .filter(|id| self.has_type_meta(*id));
        own.or_else(|| {
            SHARED_KINDS
                .contains(&kind)
                .then(|| self.type_named(&format!("meta/v1.{kind}")))
                .flatten()
        })
    }

    /// Struct of a type that is one.
    pub fn struct_of(&self, id: TypeId) -> Option<&Struct> {
        match &self.get(id).shape {
            Shape::Struct(s) => Some(s),
            _ => None,
        }
    }

    /// Whether objects of this type carry `kind` and `apiVersion`.
    pub fn has_type_meta(&self, id: TypeId) -> bool {
        self.struct_of(id).is_some_and(|s| s.type_meta)
    }

    fn follow(&self, id: TypeId) -> TypeId {
        match &self.get(id).shape {
            Shape::Alias(FieldType::Struct(target)) => *target,
            _ => id,
        }
    }
}

/// The kinds that upstream registers into every group-version.
pub const SHARED_KINDS: &[&str] = &[
    "WatchEvent",
    "ListOptions",
    "DeleteOptions",
    "CreateOptions",
    "UpdateOptions",
    "PatchOptions",
    "GetOptions",
    "Status",
    "APIGroup",
    "APIVersions",
    "APIResourceList",
    "APIGroupList",
    "List",
    "PartialObjectMetadata",
    "PartialObjectMetadataList",
    "Table",
];

/// The built-in schema, read at first use.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| match built_in() {
        Ok(schema) => schema,
        Err(error) => panic!("the embedded schema table is broken: {error}"),
    })
}

/// Reads the embedded table anew.
pub fn built_in() -> Result<Schema, TableError> {
    let mut table = Table::default();
    for (file, text) in files::FILES {
        table.read(file, text)?;
    }
    Schema::build(table)
}
