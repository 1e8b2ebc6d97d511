//! Trees against serde_json's, and what sharing must not show.

use proptest::prelude::*;

use crate::{Map, Value, json};

fn any_value() -> impl Strategy<Value = real_json::Value> {
    let leaf = prop_oneof![
        Just(real_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e9..1e9).prop_map(|number: f64| number.into()),
        "[a-c~/\"]{0,4}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 40, |inner| {
        let lists = prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into);
        let few = prop::collection::vec(("[a-d]{0,2}", inner.clone()), 0..5);
        // More than a small map has.
        let many = prop::collection::vec(("[a-z]{2}", inner), 0..40);
        let object = |entries: Vec<(String, real_json::Value)>| entries.into_iter().collect();
        prop_oneof![lists, few.prop_map(object), many.prop_map(object)]
    })
}

fn ours(value: &real_json::Value) -> Value {
    real_json::from_value(value.clone()).expect("any tree")
}

/// What can happen to the entries of a map.
#[derive(Clone, Debug)]
enum Step {
    Put(String, i64),
    Remove(String),
    Change(String, i64),
    Sort,
    /// Goes on with a copy, which must not be seen in the original.
    Copy,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = || "[a-h]{1,2}";
    prop_oneof![
        8 => (key(), any::<i64>()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => key().prop_map(Step::Remove),
        2 => (key(), any::<i64>()).prop_map(|(key, value)| Step::Change(key, value)),
        1 => Just(Step::Sort),
        1 => Just(Step::Copy),
    ]
}

proptest! {
    #[test]
    fn trees_are_written_and_read_as_by_serde_json(theirs in any_value()) {
        let tree = ours(&theirs);
        prop_assert_eq!(tree.to_string(), theirs.to_string());
        prop_assert_eq!(format!("{tree:#}"), format!("{theirs:#}"));
        prop_assert_eq!(real_json::to_value(&tree).expect("a tree"), theirs);
    }

    #[test]
    fn trees_are_equal_as_in_serde_json(a in any_value(), b in any_value()) {
        prop_assert_eq!(ours(&a) == ours(&b), a == b);
        prop_assert_eq!(ours(&a), ours(&a));
        prop_assert_eq!(ours(&a).clone(), ours(&a));
    }

    #[test]
    fn pointers_find_what_they_find_in_serde_json(theirs in any_value(), pointer in "(/[a-c0-3~]{0,2}){0,3}|[a-c]") {
        let mut tree = ours(&theirs);
        let found = theirs.pointer(&pointer).map(ours);
        prop_assert_eq!(tree.pointer(&pointer).cloned(), found.clone());
        prop_assert_eq!(tree.pointer_mut(&pointer).cloned(), found);
    }

    /// A map does what serde_json's does with the same steps, and a copy is not seen in what it was copied from.
    #[test]
    fn maps_change_as_in_serde_json(steps in prop::collection::vec(any_step(), 0..120)) {
        let (mut map, mut theirs) = (Map::new(), real_json::Map::new());
        let mut originals = Vec::new();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    let was = map.put(key.as_str(), value.into());
                    prop_assert_eq!(was.is_some(), theirs.insert(key, value.into()).is_some());
                }
                Step::Remove(key) => {
                    prop_assert_eq!(map.shift_remove(&key).is_some(), theirs.shift_remove(&key).is_some());
                }
                Step::Change(key, value) => {
                    if let Some(there) = map.get_mut(&key) {
                        *there = value.into();
                    }
                    if let Some(there) = theirs.get_mut(&key) {
                        *there = value.into();
                    }
                }
                Step::Sort => {
                    map.sort_keys();
                    theirs.sort_keys();
                }
                Step::Copy => originals.push((map.clone(), theirs.clone())),
            }
            for (key, value) in &theirs {
                prop_assert_eq!(map.get(key).map(Value::to_string), Some(value.to_string()));
            }
        }
        originals.push((map, theirs));
        for (map, theirs) in originals {
            let keys: Vec<&str> = map.keys().map(|key| key.as_str()).collect();
            let their_keys: Vec<&str> = theirs.keys().map(String::as_str).collect();
            prop_assert_eq!(keys, their_keys);
            prop_assert_eq!(real_json::to_value(&map).expect("a map"), real_json::Value::Object(theirs));
        }
    }
}

#[test]
fn a_change_of_a_copy_does_not_reach_the_original() {
    let original = json!({"spec": {"containers": [{"name": "a", "image": "x"}]}, "status": {}});
    let mut copy = original.clone();
    copy["spec"]["containers"][0]["image"] = "y".into();
    copy["status"]["phase"] = "Running".into();
    let containers = copy
        .pointer_mut("/spec/containers")
        .and_then(Value::as_array_mut);
    containers.expect("a list").push(json!({"name": "b"}));
    for (_, value) in copy["status"].as_object_mut().expect("a map") {
        *value = Value::Null;
    }
    assert_eq!(
        original.to_string(),
        r#"{"spec":{"containers":[{"name":"a","image":"x"}]},"status":{}}"#
    );
    assert_eq!(
        copy.to_string(),
        r#"{"spec":{"containers":[{"name":"a","image":"y"},{"name":"b"}]},"status":{"phase":null}}"#
    );
}

#[test]
fn trees_are_written_in_place() {
    let (name, list) = ("x".to_owned(), vec!["a", "b"]);
    let tree = json!({
        "plain": 1, "none": null, "list": [1, [2.5, null], {"a": true}, name.len(), "end"], (name.as_str()): &list, "empty": {}, list[1]: [],
        "nested": {"deep": {"text": format!("{name}!")}}, "option": Some(3), "nothing": None::<i64>,
    });
    let expected = r#"{"plain":1,"none":null,"list":[1,[2.5,null],{"a":true},1,"end"],"x":["a","b"],"empty":{},"b":[],"nested":{"deep":{"text":"x!"}},"option":3,"nothing":null}"#;
    assert_eq!(tree.to_string(), expected);
    #[derive(serde::Serialize)]
    struct Own {
        name: &'static str,
    }
    assert_eq!(json!([Own { name: "n" }]).to_string(), r#"[{"name":"n"}]"#);
    assert_eq!(json!(null), Value::Null);
    assert_eq!(json!(f64::NAN), Value::Null);
}

/// What a body may be nested (RELIABILITY: 10,000 levels) goes again on the stack of any thread.
#[test]
fn deep_trees_end_on_a_small_stack() {
    let deep = || (0..5_000).fold(Value::Null, |inner, _| json!({"a": [inner]}));
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let made = thread.spawn(move || drop(deep())).expect("a thread");
    made.join().expect("no overrun");
}

#[test]
fn many_keys_are_found_quickly_whatever_they_are() {
    let mut map = Map::new();
    for i in 0..200_000 {
        map.put(format!("key-{i}"), i.into());
    }
    assert_eq!(map.get("key-199999"), Some(&json!(199_999)));
    assert_eq!(map.remove("key-0"), Some(json!(0)));
    assert_eq!(map.get("key-1"), Some(&json!(1)));
    assert_eq!(map.len(), 199_999);
}
