//! The file of --token-auth-file: token,user,uid[,"group1,group2"] a line (apiserver pkg/authentication/token/tokenfile).

use crate::user::User;
use anyhow::{Context, Result, anyhow};
use std::collections::HashMap;
use std::path::Path;

/// The users by their tokens.
pub(super) fn read_tokens(path: &Path) -> Result<HashMap<String, User>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read --token-auth-file {}", path.display()))?;
    let mut tokens = HashMap::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim()))
    {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields = csv_fields(line);
        if fields.len() < 3 {
            return Err(anyhow!(
                "--token-auth-file {} line {number}: expected at least 3 columns (token, user name, user uid), found {}",
                path.display(),
                fields.len()
            ));
        }
        if fields[0].is_empty() {
            return Err(anyhow!(
                "--token-auth-file {} line {number}: empty token",
                path.display()
            ));
        }
        let groups = fields.get(3).map_or_else(Vec::new, |groups| {
            groups
                .split(',')
                .map(str::trim)
                .filter(|g| !g.is_empty())
                .map(str::to_owned)
                .collect()
        });
        tokens.insert(
            fields[0].clone(),
            User {
                name: fields[1].clone(),
                uid: fields[2].clone(),
                groups,
                ..User::default()
            },
        );
    }
    Ok(tokens)
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
    fn token_lines() {
        assert_eq!(
            csv_fields(r#"t,alice,uid,"a,b""#),
            ["t", "alice", "uid", "a,b"]
        );
        assert_eq!(csv_fields(r#"t, "x ""y""",u"#), ["t", r#"x "y""#, "u"]);
    }
}
