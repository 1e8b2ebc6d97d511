//! The grammars of names: DNS labels and subdomains, label keys and values, path segments, generated names.
//! Each check returns the messages of what is wrong, none when all is well, worded as upstream does.
//! Called by selectors and by every validation of metadata.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_UNDERSCORE: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_TEXT: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// Longest DNS label, label key name and label value, in bytes.
pub const LABEL_MAX: usize = 63;
/// Longest DNS subdomain, in bytes.
pub const SUBDOMAIN_MAX: usize = 253;
/// What generated suffixes are made of: no vowels, nothing that reads as something else.
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of a generated suffix.
pub const SUFFIX_LEN: usize = 5;
const GENERATED_BASE_MAX: usize = LABEL_MAX - SUFFIX_LEN;

type Problems = Vec<String>;

/// RFC 1123 label, lower case, at most 63 bytes.
pub fn dns1123_label(value: &str) -> Problems {
    let mut problems = over(value, LABEL_MAX);
    if !is_label(value) {
        if is_subdomain(value, is_label) {
            problems.push("must not contain dots".into());
        } else {
            problems.push(pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
                 and must start and end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            ));
        }
    }
    problems
}

/// RFC 1123 subdomain, lower case, at most 253 bytes.
pub fn dns1123_subdomain(value: &str) -> Problems {
    let mut problems = over(value, SUBDOMAIN_MAX);
    if !is_subdomain(value, is_label) {
        problems.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
             and must start and end with an alphanumeric character",
            &format!("{LABEL}(\\.{LABEL})*"),
            &["example.com"],
        ));
    }
    problems
}

/// RFC 1123 subdomain that also takes upper case (driver names).
pub fn dns1123_subdomain_caseless(value: &str) -> Problems {
    let mut problems = over(value, SUBDOMAIN_MAX);
    if !is_subdomain(&value.to_ascii_lowercase(), is_label) {
        problems.push(pattern(
            "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', \
             and must start and end with an alphanumeric character",
            &format!("{LABEL}(\\.{LABEL})*"),
            &["Example.com"],
        ));
    }
    problems
}

/// RFC 1123 subdomain that also takes underscores (DNS search paths).
pub fn dns1123_subdomain_underscore(value: &str) -> Problems {
    let mut problems = over(value, SUBDOMAIN_MAX);
    if !is_subdomain(value, is_label_underscore) {
        problems.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', \
             and must start and end with an alphanumeric character",
            &format!("{LABEL_UNDERSCORE}(\\.{LABEL_UNDERSCORE})*"),
            &["example.com"],
        ));
    }
    problems
}

/// `*.` in front of an RFC 1123 subdomain.
pub fn wildcard_dns1123_subdomain(value: &str) -> Problems {
    let mut problems = over(value, SUBDOMAIN_MAX);
    if !value
        .strip_prefix("*.")
        .is_some_and(|rest| is_subdomain(rest, is_label))
    {
        problems.push(pattern(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
             consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{LABEL}(\\.{LABEL})*"),
            &["*.example.com"],
        ));
    }
    problems
}

/// RFC 1035 label: starts with a letter.
pub fn dns1035_label(value: &str) -> Problems {
    let mut problems = over(value, LABEL_MAX);
    if !is_label(value) || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        problems.push(pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', \
             start with an alphabetic character, and end with an alphanumeric character",
            LABEL_1035,
            &["my-name", "abc-123"],
        ));
    }
    problems
}

/// A label key, also called a qualified name: `[subdomain/]name`.
pub fn label_key(value: &str) -> Problems {
    let mut problems = Vec::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".into());
            } else {
                problems.extend(
                    dns1123_subdomain(prefix)
                        .into_iter()
                        .map(|p| format!("prefix part {p}")),
                );
            }
            *name
        }
        _ => {
            let shape = pattern(KEY_TEXT, KEY, &["MyName", "my.name", "123-abc"]);
            return vec![format!(
                "a valid label key {shape} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".into());
    } else if name.len() > LABEL_MAX {
        problems.push(format!("name part {}", max_bytes(LABEL_MAX)));
    }
    if !is_key_name(name) {
        problems.push(format!(
            "name part {}",
            pattern(KEY_TEXT, KEY, &["MyName", "my.name", "123-abc"])
        ));
    }
    problems
}

/// A label key with a domain.
pub fn prefixed_label_key(value: &str) -> Problems {
    let problems = label_key(value);
    if problems.is_empty() && !value.contains('/') {
        return vec!["must include a prefix (e.g. 'example.com/key')".into()];
    }
    problems
}

/// An identifier of C.
pub fn c_identifier(value: &str) -> Problems {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    if value.starts_with(start) && value.chars().all(|c| start(c) || c.is_ascii_digit()) {
        return Vec::new();
    }
    vec![pattern(
        "a valid C identifier must start with alphabetic character or '_', \
         followed by a string of alphanumeric characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// A label value; may be empty.
pub fn label_value(value: &str) -> Problems {
    let mut problems = Vec::new();
    if value.len() > LABEL_MAX {
        problems.push(max_bytes(LABEL_MAX));
    }
    if !value.is_empty() && !is_key_name(value) {
        problems.push(pattern(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
             and must start and end with an alphanumeric character",
            &format!("({KEY})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    problems
}

/// A name that can stand between two slashes of a URL or a storage key.
pub fn path_segment(name: &str) -> Problems {
    match name {
        "." | ".." => vec![format!("may not be '{name}'")],
        _ => path_segment_prefix(name),
    }
}

/// The same for the front part of a generated name.
pub fn path_segment_prefix(name: &str) -> Problems {
    ["/", "%"]
        .iter()
        .filter(|part| name.contains(**part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// What a `generateName` is checked as: a closing dash stands for the suffix to come.
pub fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        // Upstream replaces the character before the dash, too.
        Some(head) if !head.is_empty() => {
            let mut end = head.len() - 1;
            while !head.is_char_boundary(end) {
                end -= 1;
            }
            format!("{}a", &head[..end])
        }
        _ => name.to_owned(),
    }
}

/// The name made from a `generateName` with random bytes handed in by the caller.
pub fn generate_name(base: &str, random: [u8; SUFFIX_LEN]) -> String {
    let mut end = base.len().min(GENERATED_BASE_MAX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    name.extend(
        random
            .iter()
            .map(|byte| char::from(SUFFIX_ALPHABET[usize::from(*byte) % SUFFIX_ALPHABET.len()])),
    );
    name
}

/// A pattern's failure: what is asked for, examples, the regular expression.
pub fn pattern(text: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{text} (regex used for validation is '{regex}')");
    }
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!(
        "{text} (e.g. {}regex used for validation is '{regex}')",
        examples.join(" or ")
    )
}

/// Too long. Upstream says characters and counts bytes.
pub fn max_len(bytes: usize) -> String {
    format!("must be no more than {bytes} characters")
}

/// Too long, as said of label keys and values.
fn max_bytes(bytes: usize) -> String {
    format!("must be no more than {bytes} bytes")
}

fn over(value: &str, max: usize) -> Problems {
    if value.len() > max {
        vec![max_len(max)]
    } else {
        Vec::new()
    }
}

fn is_label(value: &str) -> bool {
    bounded(
        value.as_bytes(),
        |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
        |b| b == b'-',
    )
}

fn is_label_underscore(value: &str) -> bool {
    let rest = value.strip_prefix('_').unwrap_or(value);
    bounded(
        rest.as_bytes(),
        |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
        |b| b == b'-' || b == b'_',
    )
}

fn is_key_name(value: &str) -> bool {
    bounded(
        value.as_bytes(),
        |b| b.is_ascii_alphanumeric(),
        |b| matches!(b, b'-' | b'_' | b'.'),
    )
}

fn is_subdomain(value: &str, label: fn(&str) -> bool) -> bool {
    value.split('.').all(label)
}

/// Non-empty, first and last byte of the one set, the rest of both.
fn bounded(value: &[u8], end: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    match value {
        [] => false,
        [only] => end(*only),
        [first, middle @ .., last] => {
            end(*first) && end(*last) && middle.iter().all(|b| end(*b) || inner(*b))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammars() {
        let long = "a".repeat(64);
        for good in ["a", "0", "a-b", &long[..63]] {
            assert!(dns1123_label(good).is_empty(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", &long, "a\n"] {
            assert!(!dns1123_label(bad).is_empty(), "{bad}");
        }
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert!(dns1123_subdomain("a.b-c.0").is_empty());
        assert!(!dns1123_subdomain("a..b").is_empty());
        assert!(dns1123_subdomain_underscore("_a.b_c").is_empty());
        assert!(wildcard_dns1123_subdomain("*.a").is_empty());
        assert!(!wildcard_dns1123_subdomain("*.*.a").is_empty());
        assert!(!dns1035_label("0a").is_empty());
        assert!(label_key("a.b/C_d").is_empty());
        assert!(label_value("").is_empty());
        assert_eq!(label_key("/a"), ["prefix part must be non-empty"]);
        assert_eq!(label_key("a/").len(), 2);
        assert_eq!(path_segment(".."), ["may not be '..'"]);
        assert_eq!(
            path_segment("a/b%"),
            ["may not contain '/'", "may not contain '%'"]
        );
    }

    #[test]
    fn messages_name_the_pattern() {
        assert_eq!(
            label_value("-"),
            [
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
              start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
              for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ]
        );
    }

    #[test]
    fn generated_names() {
        assert_eq!(generate_name("web-", [0, 1, 2, 26, 27]), "web-bcd9b");
        assert_eq!(generate_name(&"a".repeat(70), [0; 5]).len(), 63);
        assert_eq!(mask_trailing_dash("web-"), "wea");
        assert_eq!(mask_trailing_dash("-"), "-");
    }
}
