//! The pull policy that an image's name asks for, as upstream's image parser reads names.

/// `Always` for the tag latest, said or implied; else `IfNotPresent`, also for what is no image name.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(n, d)| (n, Some(d)));
    let path_start = name.rfind('/').map_or(0, |i| i + 1);
    let (path, tag) = match name[path_start..].rfind(':') {
        Some(at) => (&name[..path_start + at], Some(&name[path_start + at + 1..])),
        None => (name, None),
    };
    let valid = is_repository(path) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    match (tag, digest) {
        (None, None) | (Some("latest"), _) if valid => "Always",
        _ => "IfNotPresent",
    }
}

fn is_repository(path: &str) -> bool {
    let (domain, rest) = path.split_once('/').unwrap_or(("", path));
    let is_domain = domain.contains(['.', ':'])
        || domain == "localhost"
        || domain.contains(|c: char| c.is_ascii_uppercase());
    let domain_bytes =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    let (components, domain_valid) = if is_domain {
        (rest, domain.bytes().all(domain_bytes))
    } else {
        (path, true)
    };
    domain_valid && path.len() <= 255 && components.split('/').all(is_component)
}

fn is_component(component: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    edge(component.bytes().next())
        && edge(component.bytes().last())
        && component.bytes().all(inner)
        && !component.contains("..")
        && !component.contains("___")
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    algorithm
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic())
        && hex.len() >= 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::pull_policy;

    #[test]
    fn latest_is_always_pulled() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry:5000/nginx", "Always"),
            ("registry:5000/a/nginx:v1", "IfNotPresent"),
            (
                "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "IfNotPresent",
            ),
            ("Nginx", "IfNotPresent"),
            ("", "IfNotPresent"),
            ("a b", "IfNotPresent"),
            ("example.com/x/y", "Always"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}
