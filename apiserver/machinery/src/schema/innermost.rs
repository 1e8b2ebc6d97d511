//! The named type at the bottom of a field: pointers, lists, maps and aliases looked through.

use super::{Field, Schema, Shape, TypeId};

impl Schema {
    /// None where the bottom has no name of its own, as `string` has not.
    pub fn innermost(&self, field: &Field) -> Option<TypeId> {
        self.innermost_of(field.package, &field.declared)
    }

    fn innermost_of(&self, package: usize, declared: &str) -> Option<TypeId> {
        let declared = declared.trim_start_matches('*');
        if let Some(element) = declared.strip_prefix("[]") {
            return self.innermost_of(package, element);
        }
        if let Some(rest) = declared.strip_prefix("map[") {
            return self.innermost_of(package, rest.split_once(']')?.1);
        }
        let id = if declared.contains('.') {
            *self.by_name.get(declared)?
        } else {
            let full = format!("{}.{declared}", self.packages[package].name);
            *self.by_name.get(full.as_str())?
        };
        match (&self.get(id).shape, self.alias_target.get(&id)) {
            (Shape::Alias(_), Some(target)) => self.innermost_of(self.get(id).package, target),
            _ => Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::schema;

    #[test]
    fn everything_around_the_name_is_looked_through() {
        let innermost = |ty: &str, field: &str| {
            let id = schema().type_named(ty).expect(ty);
            let field = schema().struct_of(id).and_then(|s| s.field(field));
            let found = schema().innermost(field.expect("a field"));
            found.map_or("", |id| &schema().get(id).name)
        };
        assert_eq!(
            innermost("core/v1.ResourceRequirements", "limits"),
            "resource.Quantity"
        );
        assert_eq!(
            innermost("core/v1.PodSpec", "containers"),
            "core/v1.Container"
        );
        assert_eq!(
            innermost("meta/v1.ObjectMeta", "deletionTimestamp"),
            "meta/v1.Time"
        );
        assert_eq!(innermost("meta/v1.ObjectMeta", "labels"), "");
    }
}
