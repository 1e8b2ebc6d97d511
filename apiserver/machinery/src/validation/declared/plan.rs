//! What the markers demand of each type, worked out once from the schema: rules by field in the order in which upstream judges
//! them, and which fields lead on to types that have any.

use std::sync::OnceLock;

use serde_json::Value;

use super::check::{Check, Rule};
use super::marker::{Marker, Staged};
use crate::schema::{Field, FieldType, Name, Schema, TypeId, schema};

/// Rules by type.
pub(super) struct Plan {
    types: Vec<TypePlan>,
}

#[derive(Default)]
pub(super) struct TypePlan {
    pub(super) unions: Vec<Union>,
    pub(super) modes: Vec<Mode>,
    pub(super) fields: Vec<FieldPlan>,
    /// Whether there is anything to judge, here or below.
    pub(super) active: bool,
}

pub(super) struct FieldPlan {
    pub(super) name: Name,
    pub(super) form: Form,
    pub(super) list: bool,
    pub(super) checks: Vec<Check>,
    /// The field's values are all that there may be.
    pub(super) values: Option<Vec<Name>>,
    /// Elements differ from each other; whether that is told.
    pub(super) unique: Option<bool>,
    pub(super) elements: Elements,
    /// Elements of which only one may be there.
    pub(super) items: Option<Union>,
    pub(super) holder: Holder,
}

/// How a field tells a value from none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Pointer,
    /// Unset while all its fields are.
    Struct,
    Plain,
}

/// Where a field leads.
#[derive(Clone, Copy)]
pub(super) enum Holder {
    Plain,
    Struct(TypeId),
    List(TypeId),
    Map(TypeId),
}

/// What makes two elements of a list the same one.
pub(super) enum Elements {
    Unrelated,
    Whole,
    Keys(Vec<Name>),
}

/// Members of which one (or at most one) is set.
pub(super) struct Union {
    pub(super) members: Vec<Member>,
    pub(super) may_be_empty: bool,
    pub(super) shown: bool,
    /// Names the union among those of its struct.
    key: String,
}

pub(super) struct Member {
    pub(super) name: String,
    field: Name,
    form: Form,
    /// For members that are elements: key and value that mark them.
    item: Option<(String, String)>,
}

/// A field whose rules hang on the value of another.
pub(super) struct Mode {
    pub(super) by: Name,
    pub(super) field: Name,
    pub(super) form: Form,
    /// Rules by the mode's value; in every other mode the field must not be there.
    pub(super) rules: Vec<(String, Vec<Check>)>,
}

impl Plan {
    pub(super) fn of(&self, id: TypeId) -> &TypePlan {
        &self.types[id.index()]
    }
}

impl Form {
    fn of(field: &Field) -> Form {
        match field.ty {
            _ if field.pointer => Form::Pointer,
            FieldType::Struct(_) => Form::Struct,
            _ => Form::Plain,
        }
    }
}

impl Elements {
    pub(super) fn alike(&self, a: &Value, b: &Value) -> bool {
        match self {
            Elements::Unrelated => false,
            Elements::Whole => a == b,
            Elements::Keys(keys) => keys.iter().all(|key| {
                let (a, b) = (a.get(&**key), b.get(&**key));
                super::same(a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null))
            }),
        }
    }

    /// The element of the old list that an element goes back to.
    pub(super) fn counterpart<'a>(
        &self,
        item: &Value,
        old: Option<&'a Value>,
    ) -> Option<&'a Value> {
        let list = old.and_then(Value::as_array)?;
        list.iter().find(|before| self.alike(before, item))
    }
}

impl Union {
    /// Which members a struct has set.
    pub(super) fn fields_set(&self, object: &Value) -> Vec<bool> {
        let set = |member: &Member| {
            let value = object.get(&*member.field).unwrap_or(&Value::Null);
            super::check::set(value, member.form)
        };
        self.members.iter().map(set).collect()
    }

    /// Which members a list contains.
    pub(super) fn items_set(&self, list: &Value) -> Vec<bool> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let set = |member: &Member| {
            let Some((key, wanted)) = &member.item else {
                return false;
            };
            list.iter()
                .any(|item| item.get(key).and_then(Value::as_str) == Some(wanted))
        };
        self.members.iter().map(set).collect()
    }
}

/// The plan of the built-in schema.
pub(super) fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| build(schema()))
}

fn build(schema: &Schema) -> Plan {
    let mut types: Vec<TypePlan> = schema.type_ids().map(|id| own(schema, id)).collect();
    // What lies below counts too; a few rounds reach the deepest.
    loop {
        let mut grown = false;
        for at in 0..types.len() {
            let below = |field: &FieldPlan| match field.holder {
                Holder::Plain => false,
                Holder::Struct(id) | Holder::List(id) | Holder::Map(id) => types[id.index()].active,
            };
            if !types[at].active && types[at].fields.iter().any(below) {
                types[at].active = true;
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let active: Vec<bool> = types.iter().map(|ty| ty.active).collect();
    for ty in &mut types {
        ty.fields.retain_mut(|field| {
            if let Holder::Struct(id) | Holder::List(id) | Holder::Map(id) = field.holder
                && !active[id.index()]
            {
                field.holder = Holder::Plain;
            }
            !matches!(field.holder, Holder::Plain) || field.judged()
        });
    }
    Plan { types }
}

impl FieldPlan {
    fn judged(&self) -> bool {
        self.checks.iter().any(Check::tells)
            || self.values.is_some()
            || self.unique == Some(true)
            || self.items.as_ref().is_some_and(|union| union.shown)
    }
}

fn own(schema: &Schema, id: TypeId) -> TypePlan {
    let fields = schema
        .struct_of(id)
        .map(|s| s.fields.as_slice())
        .unwrap_or_default();
    let mut ty = TypePlan::default();
    for field in fields {
        for staged in staged(field) {
            union_member(&mut ty.unions, field, &staged);
        }
        ty.fields.push(field_plan(schema, field));
    }
    ty.modes = modes(fields);
    ty.active = !ty.modes.is_empty()
        || ty.unions.iter().any(|union| union.shown)
        || ty.fields.iter().any(FieldPlan::judged);
    ty
}

/// A field's markers as upstream orders them: by stage or name, then as they stand.
fn staged(field: &Field) -> Vec<Staged<'_>> {
    let mut all: Vec<Staged<'_>> = field
        .markers
        .iter()
        .filter_map(|text| Marker::staged(text))
        .collect();
    all.sort_by_key(|staged| staged.order);
    all
}

fn union_member(unions: &mut Vec<Union>, field: &Field, staged: &Staged<'_>) {
    let may_be_empty = match staged.marker.name {
        "unionMember" => false,
        "zeroOrOneOfMember" => true,
        _ => return,
    };
    let key = format!("{}/{}", field.embedded, staged.marker.args);
    let member = Member {
        name: field.name.to_string(),
        field: field.name.clone(),
        form: Form::of(field),
        item: None,
    };
    match unions.iter_mut().find(|union| union.key == key) {
        Some(union) => union.members.push(member),
        None => unions.push(Union {
            members: vec![member],
            may_be_empty,
            shown: staged.shown,
            key,
        }),
    }
}

fn field_plan(schema: &Schema, field: &Field) -> FieldPlan {
    let markers = staged(field);
    let keys: Vec<Name> = markers
        .iter()
        .filter(|staged| staged.marker.name == "listMapKey")
        .map(|staged| staged.marker.payload.to_owned().into())
        .collect();
    let named = |name: &str| markers.iter().any(|staged| staged.marker.name == name);
    let distinct = markers.iter().find(|staged| {
        matches!(staged.marker.name, "listType" | "unique")
            && matches!(staged.marker.payload, "map" | "set")
    });
    let elements = match distinct.map(|staged| staged.marker.payload) {
        Some("map") => Elements::Keys(keys),
        Some(_) => Elements::Whole,
        None => Elements::Unrelated,
    };
    FieldPlan {
        name: field.name.clone(),
        form: Form::of(field),
        list: field.ty.is_list(),
        checks: checks(field, &markers),
        values: values(schema, field),
        unique: distinct
            .map(|staged| staged.shown)
            .filter(|_| !named("customUnique")),
        elements,
        items: items(&markers, field),
        holder: match named("opaqueType") {
            true => Holder::Plain,
            false => holder(&field.ty),
        },
    }
}

fn holder(ty: &FieldType) -> Holder {
    match ty {
        FieldType::Struct(id) => Holder::Struct(*id),
        FieldType::List(element) | FieldType::Wrapper(element) => match **element {
            FieldType::Struct(id) => Holder::List(id),
            _ => Holder::Plain,
        },
        FieldType::Map(element) => match **element {
            FieldType::Struct(id) => Holder::Map(id),
            _ => Holder::Plain,
        },
        _ => Holder::Plain,
    }
}

/// The closed set of a field's values, sorted, where the type is marked to be judged by it.
fn values(schema: &Schema, field: &Field) -> Option<Vec<Name>> {
    let ty = schema.get(field.alias?);
    let told = |text: &Name| {
        Marker::staged(text).is_some_and(|staged| staged.marker.name == "enum" && staged.shown)
    };
    if !ty.closed || !ty.markers.iter().any(told) {
        return None;
    }
    let mut values = ty.values.clone();
    values.sort();
    Some(values)
}

/// Rules that end the judging of a field come first.
fn checks(field: &Field, markers: &[Staged<'_>]) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for staged in markers {
        let Some(mut rule) = Rule::of(&staged.marker) else {
            continue;
        };
        if let (Rule::Optional, Some(default)) = (&rule, &field.default) {
            // A default of zero says nothing that absence would not say; any other is there once defaults are filled in.
            if !field.pointer && !super::check::set(default, Form::Plain) {
                continue;
            }
            rule = Rule::Required;
        }
        let last = checks.last_mut().filter(|last| last.shown == staged.shown);
        if last.is_some_and(|last| last.rule.absorb(&mut rule)) {
            continue;
        }
        checks.push(Check {
            rule,
            shown: staged.shown,
        });
    }
    checks.sort_by_key(|check| !check.rule.ends());
    checks
}

fn items(markers: &[Staged<'_>], field: &Field) -> Option<Union> {
    let mut members = Vec::new();
    let mut shown = false;
    for staged in markers {
        let member = staged.marker.nested().map(|inner| inner.name);
        if staged.marker.name != "item" || member != Some("zeroOrOneOfMember") {
            continue;
        }
        let (key, value) = staged.marker.arg()?;
        shown = staged.shown;
        members.push(Member {
            name: format!("{}[{{\"{key}\": \"{value}\"}}]", field.name),
            field: field.name.clone(),
            form: Form::of(field),
            item: Some((key.to_owned(), value.to_owned())),
        });
    }
    (!members.is_empty()).then(|| Union {
        members,
        may_be_empty: true,
        shown,
        key: String::new(),
    })
}

fn modes(fields: &[Field]) -> Vec<Mode> {
    let by = fields.iter().find(|field| {
        staged(field)
            .iter()
            .any(|staged| staged.marker.name == "modeDiscriminator")
    });
    let Some(by) = by else {
        return Vec::new();
    };
    let mut modes = Vec::new();
    for field in fields {
        let mut rules: Vec<(String, Vec<Check>)> = Vec::new();
        for staged in staged(field) {
            let inner = staged.marker.nested().and_then(|inner| Rule::of(&inner));
            let Some(rule) = inner.filter(|_| staged.marker.name == "ifMode") else {
                continue;
            };
            let check = Check {
                rule,
                shown: staged.shown,
            };
            match rules
                .iter_mut()
                .find(|(mode, _)| mode == staged.marker.args)
            {
                Some((_, checks)) => checks.push(check),
                None => rules.push((staged.marker.args.to_owned(), vec![check])),
            }
        }
        if !rules.is_empty() {
            modes.push(Mode {
                by: by.name.clone(),
                field: field.name.clone(),
                form: Form::of(field),
                rules,
            });
        }
    }
    modes
}
