//! Label selectors: grammar, matching and every error text that the reference was seen to give.

use super::*;
use serde_json::json;

#[test]
fn matching() {
    let labels = json!({"metadata": {"labels": {"app": "web", "n": "5", "e": ""}}});
    for (selector, want) in [
        ("", true),
        ("app", true),
        ("!app", false),
        ("app=web,n", true),
        ("app==web", true),
        ("app!=web", false),
        ("x!=web", true),
        ("app in (a, web)", true),
        ("app notin (a,web)", false),
        ("x notin (a)", true),
        ("x in (a)", false),
        ("n>4,n<6", true),
        ("n > 5", false),
        ("app>1", false),
        ("e=", true),
        ("e", true),
        ("e in ()", true),
        ("e in (,a)", true),
        ("in in (in)", false),
        ("app in (a,,web)", true),
    ] {
        let parsed = LabelSelector::parse(selector);
        assert_eq!(
            parsed.map(|s| s.matches_object(&labels)),
            Ok(want),
            "{selector}"
        );
    }
}

#[test]
fn printing_sorts() {
    for (text, want) in [
        ("z=1,a in (c,b),!m", "a in (b,c),!m,z=1"),
        ("a in ()", "a in ()"),
        (
            "a==1,b!=2,c>3,d<4,e notin (x)",
            "a==1,b!=2,c>3,d<4,e notin (x)",
        ),
    ] {
        assert_eq!(
            LabelSelector::parse(text).map(|s| s.to_string()),
            Ok(want.to_owned())
        );
    }
}

#[test]
fn error_texts() {
    let key_text = "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                    character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let quoted_key = format!(
        r#"unable to parse requirement: <nil>: Invalid value: "'x'": name part must {key_text}"#
    );
    for (text, want) in [
        (
            "!!",
            "unable to parse requirement: found '!', expected: identifier",
        ),
        (
            "==",
            "found '==', expected: !, identifier, or 'end of string'",
        ),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        (
            "a in (b",
            "unable to parse requirement: found '', expected: ',' or ')'",
        ),
        (
            "x in",
            "unable to parse requirement: found '' expected: '('",
        ),
        (
            "x in (",
            "unable to parse requirement: found '', expected: ',', ')' or identifier",
        ),
        (
            "x exists",
            "unable to parse requirement: found 'exists', expected: in, notin, =, ==, !=, gt, lt",
        ),
        (
            ",",
            "found ',', expected: !, identifier, or 'end of string'",
        ),
        ("x=1,", "found '', expected: identifier after ','"),
        (
            "x=bad value",
            "found 'value', expected: ',' or 'end of string'",
        ),
        (
            "/a=1",
            r#"unable to parse requirement: <nil>: Invalid value: "/a": prefix part must be non-empty"#,
        ),
        ("'x'=1", &quoted_key),
        (
            "b>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, \
             the value must be an integer",
        ),
    ] {
        assert_eq!(
            LabelSelector::parse(text).map_err(|e| e.0),
            Err(want.to_owned()),
            "{text}"
        );
    }
    let want = r#"unable to parse requirement: values[0][n]: Invalid value: "-1": a valid label"#;
    assert!(LabelSelector::parse("n>-1").is_err_and(|e| e.0.starts_with(want)));
}

#[test]
fn selector_objects() {
    let object = json!({"metadata": {"labels": {"a": "1"}}});
    let matches =
        |selector: Value| LabelSelector::from_object(&selector).map(|s| s.matches_object(&object));
    assert_eq!(matches(json!(null)), Ok(false));
    assert_eq!(matches(json!({})), Ok(true));
    assert_eq!(matches(json!({"matchLabels": {"a": "1"}})), Ok(true));
    assert_eq!(
        matches(json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]})),
        Ok(false)
    );
    assert_eq!(
        matches(json!({"matchExpressions": [{"key": "a", "operator": "Zap"}]})),
        Err(SelectorError(
            r#""Zap" is not a valid label selector operator"#.to_owned()
        ))
    );
}
