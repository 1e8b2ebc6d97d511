//! How Go's reflection prints a field's type, for error messages that name it: `[]v1.Toleration`, `map[string]string`.

use super::{Field, Schema, TypeId};

impl Schema {
    /// The field's Go type, pointers looked through.
    pub fn go_type(&self, field: &Field) -> String {
        self.go_type_of(field.package, field.declared.trim_start_matches('*'))
    }

    /// The type `level` lists or maps below the field, as Go names it.
    pub fn go_type_at(&self, field: &Field, level: u8) -> String {
        let (mut package, mut declared) = (field.package, field.declared.trim_start_matches('*'));
        for _ in 0..level {
            (package, declared) = self.element_of(package, declared);
        }
        self.go_type_of(package, declared)
    }

    /// `v1.Pod`.
    pub fn go_name(&self, id: TypeId) -> String {
        let ty = self.get(id);
        format!(
            "{}.{}",
            last_part(&self.packages[ty.package].go),
            ty.go_name
        )
    }

    /// Element of a declared list or map, through aliases.
    fn element_of<'a>(&'a self, package: usize, declared: &'a str) -> (usize, &'a str) {
        if declared == "bytes" {
            return (package, "uint8");
        }
        if let Some(element) = declared.strip_prefix("[]") {
            return (package, element.trim_start_matches('*'));
        }
        if let Some((_, value)) = declared
            .strip_prefix("map[")
            .and_then(|rest| rest.split_once(']'))
        {
            return (package, value.trim_start_matches('*'));
        }
        let full = match declared.contains('.') {
            true => declared.to_owned(),
            false => format!("{}.{declared}", self.packages[package].name),
        };
        match self
            .by_name
            .get(full.as_str())
            .and_then(|id| Some((self.get(*id).package, self.alias_target.get(id)?)))
        {
            Some((package, target)) => self.element_of(package, target),
            None => (package, declared),
        }
    }

    fn go_type_of(&self, package: usize, declared: &str) -> String {
        if let Some(element) = declared.strip_prefix("[]") {
            return format!("[]{}", self.go_type_of(package, element));
        }
        if let Some(rest) = declared.strip_prefix("map[")
            && let Some((key, value)) = rest.split_once(']')
        {
            return format!(
                "map[{}]{}",
                self.go_type_of(package, key),
                self.go_type_of(package, value)
            );
        }
        if let Some(target) = declared.strip_prefix('*') {
            return format!("*{}", self.go_type_of(package, target));
        }
        match declared.split_once('.') {
            Some((named, ty)) => {
                let go = self
                    .packages
                    .iter()
                    .find(|p| p.name == named)
                    .map_or(named, |p| &p.go);
                format!("{}.{ty}", last_part(go))
            }
            None if declared == "bytes" => "[]uint8".to_owned(),
            None if declared == "any" => "interface {}".to_owned(),
            None if declared.starts_with(|c: char| c.is_ascii_uppercase()) => {
                format!("{}.{declared}", last_part(&self.packages[package].go))
            }
            None => declared.to_owned(),
        }
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
