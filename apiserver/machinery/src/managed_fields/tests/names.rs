//! Names of managers.

use super::*;

#[test]
fn names_of_managers() {
    assert_eq!(manager_name("given", "kubectl/1.0"), "given");
    assert_eq!(manager_name("", "kubectl/1.0 (linux)"), "kubectl");
    assert_eq!(manager_name("", "a\u{7}b"), "ab");
    assert_eq!(manager_name("", &"x".repeat(200)).len(), MANAGER_MAX);
}

#[test]
fn bad_names_of_managers() {
    assert!(check_manager("kubectl é").is_empty());
    let shown: Vec<String> = check_manager("a\0b")
        .iter()
        .map(FieldError::to_string)
        .collect();
    assert_eq!(
        shown,
        ["fieldManager: Invalid value: \"a\\x00b\": invalid character U+0000 (at position 1)"]
    );
    let shown: Vec<String> = check_manager(&"x".repeat(129))
        .iter()
        .map(FieldError::to_string)
        .collect();
    assert_eq!(
        shown,
        ["fieldManager: Too long: may not be more than 128 bytes"]
    );
}
