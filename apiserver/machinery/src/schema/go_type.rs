//! How Go's reflection prints a field's type, for error messages that name it: `[]v1.Toleration`, `map[string]string`.

use super::{Field, Schema, TypeId};

impl Schema {
    /// The field's Go type, pointers looked through.
    pub fn go_type(&self, field: &Field) -> String {
        self.go_type_of(field.package, field.declared.trim_start_matches('*'))
    }

    /// Element of a list or value of a map, as Go names it.
    pub fn go_element_type(&self, field: &Field) -> String {
        let declared = field.declared.trim_start_matches('*');
        let element = if let Some(rest) = declared.strip_prefix("[]") {
            rest
        } else if declared.starts_with("map[") {
            declared
                .split_once(']')
                .map_or(declared, |(_, value)| value)
        } else {
            return self.alias_element(field);
        };
        self.go_type_of(field.package, element.trim_start_matches('*'))
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

    fn alias_element(&self, field: &Field) -> String {
        let target = field.alias.and_then(|id| {
            self.alias_target
                .get(&id)
                .map(|t| (self.get(id).package, t.clone()))
        });
        match target {
            Some((package, target)) => {
                let element = target
                    .strip_prefix("[]")
                    .or_else(|| target.split_once(']').map(|(_, v)| v))
                    .unwrap_or(&target);
                self.go_type_of(package, element)
            }
            None => self.go_type_of(field.package, &field.declared),
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
