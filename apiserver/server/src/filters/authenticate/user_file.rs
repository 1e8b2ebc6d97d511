//! Files of users by what they show: `SECRET,NAME,UID[,"GROUP,GROUP"]` a line, of --token-auth-file (apiserver
//! pkg/authentication/token/tokenfile) and of --basic-auth-file, where the secret is a password.

use crate::user::User;
use anyhow::{Context, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// The users by their tokens.
pub(super) fn read_tokens(path: &Path) -> Result<HashMap<String, User>> {
    Ok(read(path, "--token-auth-file", "token")?
        .into_iter()
        .collect())
}

/// Users who show a name and a password. Of these, digests are kept.
pub(super) struct Passwords(HashMap<String, ([u8; 32], User)>);

impl Passwords {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let users = read(path, "--basic-auth-file", "password")?.into_iter();
        let by_name = users.map(|(password, user)| {
            let digest = Sha256::digest(password).into();
            (user.name.clone(), (digest, user))
        });
        Ok(Passwords(by_name.collect()))
    }

    /// Whom `Authorization: Basic ...` proves: none inside where it proves nobody, none at all where it is of another scheme.
    pub(super) fn check(&self, header: &str) -> Option<Option<User>> {
        let (scheme, given) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = STANDARD.decode(given.trim()).unwrap_or_default();
        let decoded = String::from_utf8(decoded).unwrap_or_default();
        let (name, password) = decoded.split_once(':').unwrap_or_default();
        // Somebody unknown takes as long as a wrong password.
        let shown: [u8; 32] = Sha256::digest(password).into();
        let known = self.0.get(name).filter(|(digest, _)| *digest == shown);
        Some(known.map(|(_, user)| user.clone()))
    }
}

fn read(path: &Path, flag: &str, secret: &str) -> Result<Vec<(String, User)>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {flag} {}", path.display()))?;
    let mut users = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: String| anyhow!("{flag} {} line {}: {why}", path.display(), number + 1);
        let fields = csv_fields(line);
        let count = fields.len();
        if count < 3 {
            return Err(wrong(format!(
                "expected at least 3 columns ({secret}, user name, user uid), found {count}"
            )));
        }
        if fields[0].is_empty() {
            return Err(wrong(format!("empty {secret}")));
        }
        let groups = fields.get(3).map_or("", String::as_str).split(',');
        let groups = groups.map(str::trim).filter(|group| !group.is_empty());
        let user = User {
            name: fields[1].clone(),
            uid: fields[2].clone(),
            groups: groups.map(str::to_owned).collect(),
            ..User::default()
        };
        users.push((fields[0].clone(), user));
    }
    Ok(users)
}

fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut fields, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => push(&mut fields, c),
        }
    }
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

fn push(fields: &mut [String], c: char) {
    if let Some(field) = fields.last_mut() {
        field.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_fields() {
        assert_eq!(
            csv_fields(r#"t,alice,uid,"a,b""#),
            ["t", "alice", "uid", "a,b"]
        );
        assert_eq!(csv_fields(r#"t, "x ""y""",u"#), ["t", r#"x "y""#, "u"]);
    }

    #[test]
    fn a_password_proves_its_user() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("users.csv");
        std::fs::write(&file, "pass:word,alice,7,\"a,b\"\n").expect("written");
        let passwords = Passwords::read(&file).expect("read");
        let check = |text: &str| passwords.check(&format!("Basic {}", STANDARD.encode(text)));
        let alice = check("alice:pass:word").flatten().expect("alice");
        assert_eq!((alice.uid.as_str(), alice.groups.len()), ("7", 2));
        for wrong in ["alice:pass", "alice", "bob:pass:word"] {
            assert_eq!(check(wrong), Some(None), "{wrong}");
        }
        assert_eq!(passwords.check("Basic !"), Some(None));
        assert_eq!(passwords.check("Bearer alice"), None);
        std::fs::write(&file, "a,b\n").expect("written");
        assert!(Passwords::read(&file).is_err_and(|why| why.to_string().contains("line 1")));
    }
}
