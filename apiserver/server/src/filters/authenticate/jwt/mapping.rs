//! From claims to a user: by the names of claims or by expressions, with rules that must hold for the claims and for the user that
//! came of them (apiserver plugin/pkg/authenticator/token/oidc, pkg/authentication/cel).

use crate::user::User;
use serde_json::{Map, Value, json};
use triad_cel::check::Checked;
use triad_cel::eval::{Value as Evaluated, evaluate};

/// What one expression may cost (apiserver pkg/apis/cel/config.go, PerCallLimit).
const BUDGET: u64 = 1_000_000;
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// An expression with its text, which errors repeat.
pub(in crate::filters::authenticate) struct Expression {
    pub(in crate::filters::authenticate) text: String,
    pub(in crate::filters::authenticate) checked: Checked,
}

/// Where a part of the user comes from.
pub(in crate::filters::authenticate) enum Source {
    Claim { name: String, prefix: String },
    Expression(Expression),
}

/// An expression that must be true, and what is said where it is not.
pub(in crate::filters::authenticate) struct Rule {
    pub(in crate::filters::authenticate) expression: Expression,
    pub(in crate::filters::authenticate) message: String,
}

pub(in crate::filters::authenticate) struct Mappings {
    pub(in crate::filters::authenticate) username: Source,
    pub(in crate::filters::authenticate) groups: Option<Source>,
    pub(in crate::filters::authenticate) uid: Option<Source>,
    pub(in crate::filters::authenticate) extra: Vec<(String, Expression)>,
    /// Claims with the one value that they must have.
    pub(in crate::filters::authenticate) required: Vec<(String, String)>,
    pub(in crate::filters::authenticate) claim_rules: Vec<Rule>,
    pub(in crate::filters::authenticate) user_rules: Vec<Rule>,
}

impl Mappings {
    pub(super) fn user(&self, claims: &Value) -> Result<User, String> {
        let mut user = User {
            name: self.name(claims)?,
            groups: self.groups(claims)?,
            uid: self.uid(claims)?,
            ..User::default()
        };
        if let Some(id) = claims["jti"].as_str().filter(|id| !id.is_empty()) {
            let id = vec![format!("JTI={id}")];
            user.extra.insert(CREDENTIAL_ID.to_owned(), id);
        }
        for (key, expression) in &self.extra {
            let wrong = |why: String| {
                let text = &expression.text;
                format!("error evaluating extra claim expression: {text}: {why}")
            };
            let values = run(expression, "claims", claims).map_err(wrong)?;
            let values = texts(&values).map_err(wrong)?;
            if !values.is_empty() {
                user.extra.insert(key.clone(), values);
            }
        }
        self.judge(claims, &user)?;
        Ok(user)
    }

    fn judge(&self, claims: &Value, user: &User) -> Result<(), String> {
        for (name, wanted) in &self.required {
            let Some(found) = claims.get(name) else {
                return Err(format!("required claim {name} not present in ID token"));
            };
            let found = found
                .as_str()
                .ok_or_else(|| format!("parse claim {name}: {}", no_string(found)))?;
            if found != wanted {
                return Err(format!(
                    "required claim {name} value does not match. Got = {found}, want = {wanted}"
                ));
            }
        }
        check(&self.claim_rules, "claims", claims)
            .map_err(|why| format!("error evaluating claim validation expression: {why}"))?;
        if self.user_rules.is_empty() {
            return Ok(());
        }
        check(&self.user_rules, "user", &shown(user))
            .map_err(|why| format!("error evaluating user info validation rule: {why}"))
    }

    fn name(&self, claims: &Value) -> Result<String, String> {
        let (name, prefix) = match &self.username {
            Source::Claim { name, prefix } => (name, prefix),
            Source::Expression(expression) => {
                let name = text(expression, claims, "username")?;
                return match name.is_empty() {
                    true => Err("empty username via CEL expression is not allowed".to_owned()),
                    false => Ok(name),
                };
            }
        };
        let found =
            claim(claims, name).map_err(|why| format!("parse username claims {name:?}: {why}"))?;
        if name == "email" {
            match claims.get("email_verified") {
                None | Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => return Err("email not verified".to_owned()),
                Some(_) => {
                    return Err(
                        "parse 'email_verified' claim: it is neither true nor false".to_owned()
                    );
                }
            }
        }
        Ok(format!("{prefix}{found}"))
    }

    fn groups(&self, claims: &Value) -> Result<Vec<String>, String> {
        match &self.groups {
            None => Ok(Vec::new()),
            Some(Source::Claim { name, prefix }) => {
                let Some(found) = claims.get(name) else {
                    return Ok(Vec::new());
                };
                let texts: Option<Vec<&str>> = match found {
                    Value::String(one) => Some(vec![one]),
                    Value::Array(list) => list.iter().map(Value::as_str).collect(),
                    Value::Null => Some(Vec::new()),
                    _ => None,
                };
                let texts = texts
                    .ok_or_else(|| format!("parse groups claim {name:?}: {}", no_string(found)))?;
                Ok(texts
                    .iter()
                    .map(|group| format!("{prefix}{group}"))
                    .collect())
            }
            Some(Source::Expression(expression)) => run(expression, "claims", claims)
                .and_then(|values| texts(&values))
                .map_err(|why| format!("error evaluating group claim expression: {why}")),
        }
    }

    fn uid(&self, claims: &Value) -> Result<String, String> {
        match &self.uid {
            None => Ok(String::new()),
            Some(Source::Claim { name, .. }) => claim(claims, name)
                .map(str::to_owned)
                .map_err(|why| format!("parse uid claim {name:?}: {why}")),
            Some(Source::Expression(expression)) => text(expression, claims, "uid"),
        }
    }
}

fn claim<'a>(claims: &'a Value, name: &str) -> Result<&'a str, String> {
    let found = claims.get(name).ok_or("claim not present")?;
    found.as_str().ok_or_else(|| no_string(found))
}

fn no_string(found: &Value) -> String {
    let found = match found {
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        _ => "null",
    };
    format!("json: cannot unmarshal {found} into Go value of type string")
}

fn text(expression: &Expression, claims: &Value, what: &str) -> Result<String, String> {
    let wrong = |why: String| format!("error evaluating {what} claim expression: {why}");
    let value = run(expression, "claims", claims).map_err(wrong)?;
    match value {
        Value::String(text) => Ok(text.to_string()),
        _ => Err(wrong(format!(
            "{what} claim expression must return a string"
        ))),
    }
}

/// Texts of a list or one alone; empty ones and null are none (convertCELValueToStringList).
fn texts(value: &Value) -> Result<Vec<String>, String> {
    let none = "expression must return a string or a list of strings";
    let given: Vec<&str> = match value {
        Value::Null => Vec::new(),
        Value::String(one) => vec![one],
        Value::Array(list) => {
            let list: Option<_> = list.iter().map(Value::as_str).collect();
            list.ok_or(none)?
        }
        _ => return Err(none.to_owned()),
    };
    let given = given.into_iter().filter(|text| !text.is_empty());
    Ok(given.map(str::to_owned).collect())
}

fn run(expression: &Expression, name: &str, over: &Value) -> Result<Value, String> {
    let variables = [(name, Evaluated::of(over))];
    let text = &expression.text;
    let value = evaluate(&expression.checked, &variables, BUDGET).result;
    let value = value.map_err(|error| format!("expression '{text}' resulted in error: {error}"))?;
    value.to_json().map_err(|error| error.to_string())
}

fn check(rules: &[Rule], name: &str, over: &Value) -> Result<(), String> {
    for rule in rules {
        match run(&rule.expression, name, over)? {
            Value::Bool(true) => {}
            Value::Bool(false) => {
                let (text, message) = (&rule.expression.text, &rule.message);
                return Err(format!("validation expression '{text}' failed: {message}"));
            }
            _ => return Err("validation expression must return a boolean".to_owned()),
        }
    }
    Ok(())
}

/// A user as rules see it.
fn shown(user: &User) -> Value {
    let mut shown = Map::new();
    shown.insert("username".to_owned(), json!(user.name));
    shown.insert("uid".to_owned(), json!(user.uid));
    shown.insert("groups".to_owned(), json!(user.groups));
    shown.insert("extra".to_owned(), json!(user.extra));
    Value::Object(shown)
}
