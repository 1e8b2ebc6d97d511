//! The parameters of a query as an object of options, such as PodExecOptions: what each becomes is said by its field's type
//! (apimachinery pkg/runtime/conversion.go and pkg/apis/meta/v1/conversion.go, Convert_Slice_string_To_*).

use super::is_zero;
use super::time::{Instant, Precision, ZERO};
use crate::schema::{Field, FieldType, TypeId, schema};
use serde_json::{Map, Value, json};

/// Reads the parameters that the type has fields for; others count for nothing. `values` gives those of a name in their order. The
/// error is Go's.
pub fn decode<'a>(
    ty: TypeId,
    values: impl Fn(&str) -> Vec<&'a str>,
) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    let fields = schema().struct_of(ty).map(|of| &of.fields[..]);
    for field in fields.unwrap_or_default() {
        let given = values(&field.name);
        if given.is_empty() || ["kind", "apiVersion"].contains(&&*field.name) {
            continue;
        }
        let value = read(field, &given)?;
        if field.pointer || !is_zero(&field.ty, &value) {
            object.insert(field.name.to_string(), value);
        }
    }
    Ok(object)
}

fn read(field: &Field, given: &[&str]) -> Result<Value, String> {
    let first = given[0];
    Ok(match &field.ty {
        FieldType::Bool => json!(is_true(first)),
        FieldType::Int64 => json!(number::<i64>("ParseInt", first)?),
        FieldType::Time => time(first)?,
        FieldType::List(element) if **element == FieldType::Int32 => {
            let all = given.iter().flat_map(|one| one.split(','));
            let all = all.map(|one| number::<u16>("ParseUint", one));
            let all: Result<Vec<u16>, String> = all.collect();
            json!(all.map_err(|why| format!("cannot convert to []int32: {why}"))?)
        }
        FieldType::List(_) => json!(given),
        _ => json!(first),
    })
}

/// Everything but false and 0 counts as true, the empty value too (Convert_Slice_string_To_bool).
pub fn is_true(value: &str) -> bool {
    !(value == "0" || value.eq_ignore_ascii_case("false"))
}

/// As strconv reads whole numbers.
fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    function: &str,
    text: &str,
) -> Result<T, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    // An unsigned number has no sign.
    let signed = function == "ParseUint" && text.starts_with(['+', '-']);
    let read: Result<T, _> = text.parse();
    match read {
        Ok(number) if !signed => Ok(number),
        Err(error) if !signed && matches!(error.kind(), PosOverflow | NegOverflow) => Err(format!(
            "strconv.{function}: parsing {text:?}: value out of range"
        )),
        _ => Err(format!(
            "strconv.{function}: parsing {text:?}: invalid syntax"
        )),
    }
}

fn time(text: &str) -> Result<Value, String> {
    // Old clients wrote JSON.
    let at = match text {
        "" | "null" => ZERO,
        text => Instant::parse(text, Precision::Seconds)?,
    };
    Ok(json!(at.format(Precision::Seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(kind: &str, query: &'static [(&str, &str)]) -> Result<Value, String> {
        let ty = schema().type_named(kind).expect("a type");
        let values = |name: &str| -> Vec<&str> {
            let found = query.iter().filter(|(own, _)| *own == name);
            found.map(|(_, value)| *value).collect()
        };
        decode(ty, values).map(Value::Object)
    }

    #[test]
    fn parameters_become_fields_of_their_types() {
        let exec = &[
            ("command", "sh"),
            ("command", "-c"),
            ("stdin", "true"),
            ("stdout", ""),
            ("tty", "0"),
            ("stderr", "False"),
            ("unknown", "x"),
            ("kind", "Pod"),
        ];
        let want = json!({"stdin": true, "stdout": true, "command": ["sh", "-c"]});
        assert_eq!(decoded("core/v1.PodExecOptions", exec), Ok(want));
        let log = &[
            ("tailLines", "0"),
            ("sinceTime", "2026-01-02T03:04:05+01:00"),
            ("follow", "yes"),
        ];
        let want = json!({"tailLines": 0, "sinceTime": "2026-01-02T02:04:05Z", "follow": true});
        assert_eq!(decoded("core/v1.PodLogOptions", log), Ok(want));
        let ports = &[("ports", "80,443"), ("ports", "8080")];
        let want = json!({"ports": [80, 443, 8080]});
        assert_eq!(decoded("core/v1.PodPortForwardOptions", ports), Ok(want));
    }

    #[test]
    fn what_cannot_be_read_is_said_as_in_go() {
        for (kind, query, want) in [
            (
                "core/v1.PodLogOptions",
                &[("tailLines", "many")],
                "strconv.ParseInt: parsing \"many\": invalid syntax",
            ),
            (
                "core/v1.PodLogOptions",
                &[("limitBytes", "9223372036854775808")],
                "strconv.ParseInt: parsing \"9223372036854775808\": value out of range",
            ),
            (
                "core/v1.PodPortForwardOptions",
                &[("ports", "80,+1")],
                "cannot convert to []int32: strconv.ParseUint: parsing \"+1\": invalid syntax",
            ),
            (
                "core/v1.PodLogOptions",
                &[("sinceTime", "today")],
                "parsing time \"today\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"today\" as \"2006\"",
            ),
        ] {
            assert_eq!(decoded(kind, query), Err(want.to_owned()));
        }
    }
}
