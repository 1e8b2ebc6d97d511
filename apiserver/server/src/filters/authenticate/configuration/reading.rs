//! The issuers that a file names, and what is wrong with them (apiserver pkg/apis/apiserver/validation, ValidateAuthenticationConfiguration).

mod mappings;
mod rules;

use super::{ALGORITHMS, MOST_ISSUERS};
use crate::egress::Trust;
use crate::filters::authenticate::jwt::Issuer;
use crate::filters::authenticate::jwt::distributed::Resolver;
use crate::filters::authenticate::jwt::keys::IssuerKeys;
use http::Uri;
use mappings::mappings;
use serde_json::Value;
use triad_machinery::status::FieldError;

type Errors = Vec<FieldError>;

/// An object of the file, with its path.
#[derive(Clone)]
struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    fn field(&self, name: &str) -> At<'a> {
        At {
            value: &self.value[name],
            path: format!("{}.{name}", self.path),
        }
    }

    fn items(&self) -> impl Iterator<Item = At<'a>> {
        let list = self.value.as_array().into_iter().flatten();
        let path = self.path.clone();
        list.enumerate().map(move |(at, value)| At {
            value,
            path: format!("{path}[{at}]"),
        })
    }

    fn text(&self, name: &str) -> &'a str {
        self.value[name].as_str().unwrap_or_default()
    }
}

/// All issuers that are right, and what is wrong.
pub(super) fn read(config: &Value, own: &[String]) -> (Vec<Issuer>, Errors) {
    let mut errors = Vec::new();
    let all = At {
        value: &config["jwt"],
        path: "jwt".to_owned(),
    };
    let count = all.items().count();
    if count > MOST_ISSUERS {
        let (count, most) = (count as i64, MOST_ISSUERS as i64);
        errors.push(FieldError::too_many("jwt", count, most));
        return (Vec::new(), errors);
    }
    let mut seen: [Vec<&str>; 2] = Default::default();
    let mut issuers = Vec::new();
    for at in all.items() {
        issuers.extend(issuer(&at, own, &mut errors));
        let given = at.field("issuer");
        for (field, seen) in ["url", "discoveryURL"].into_iter().zip(&mut seen) {
            let url = given.text(field);
            if seen.contains(&url) && !(url.is_empty() && field == "discoveryURL") {
                errors.push(FieldError::duplicate(given.field(field).path, url));
            }
            seen.push(url);
        }
    }
    let anonymous = &config["anonymous"];
    let conditions = anonymous["conditions"].as_array();
    if !anonymous.is_null()
        && anonymous["enabled"] != true
        && conditions.is_some_and(|list| !list.is_empty())
    {
        let why = "enabled should be set to true when conditions are defined";
        let given = anonymous["conditions"].clone();
        errors.push(FieldError::invalid("anonymous.conditions", given, why));
    }
    (issuers, errors)
}

/// None where something is wrong, which is said then.
fn issuer(at: &At<'_>, own: &[String], errors: &mut Errors) -> Option<Issuer> {
    let before = errors.len();
    let given = at.field("issuer");
    let url = given.text("url");
    if url.is_empty() {
        errors.push(FieldError::required(given.field("url").path, ""));
    } else {
        check_url(url, own, given.field("url").path, errors);
    }
    let discovery = Some(given.text("discoveryURL")).filter(|url| !url.is_empty());
    if let Some(discovery) = discovery {
        let path = given.field("discoveryURL").path;
        if url.trim_end_matches('/') == discovery.trim_end_matches('/') {
            let why = "discoveryURL must be different from URL";
            errors.push(FieldError::invalid(path.clone(), discovery, why));
        }
        check_url(discovery, &[], path, errors);
    }
    let audiences = audiences(&given, errors);
    let ca = given.text("certificateAuthority");
    let tls = Trust::of_ca(ca.as_bytes().to_vec()).config();
    let tls = tls.map_err(|why| {
        let path = given.field("certificateAuthority").path;
        errors.push(FieldError::invalid(path, "<omitted>", why));
    });
    let egress = given.text("egressSelectorType");
    if !egress.is_empty() {
        let why = "this server dials issuers itself";
        let path = given.field("egressSelectorType").path;
        errors.push(FieldError::invalid(path, egress, why));
    }
    let mappings = mappings(at, errors);
    let (Ok(tls), Some(mappings), true) = (tls, mappings, errors.len() == before) else {
        return None;
    };
    Some(Issuer {
        url: url.to_owned(),
        audiences,
        algorithms: ALGORITHMS.map(|(_, algorithm)| algorithm).to_vec(),
        distributed: Resolver::of(&mappings, &tls),
        mappings,
        keys: IssuerKeys::new(url, discovery, tls),
    })
}

fn check_url(url: &str, disallowed: &[String], path: String, errors: &mut Errors) {
    let mut wrong = |why: String| errors.push(FieldError::invalid(path.clone(), url, why));
    if disallowed.iter().any(|own| own == url) {
        wrong(format!(
            "URL must not overlap with disallowed issuers: [{}]",
            disallowed.join(" ")
        ));
    }
    let (bare, fragment) = url.split_once('#').unwrap_or((url, ""));
    let parsed: Uri = match bare.parse() {
        Ok(parsed) => parsed,
        Err(error) => return wrong(error.to_string()),
    };
    if parsed.scheme_str() != Some("https") {
        wrong("URL scheme must be https".to_owned());
    }
    if parsed
        .authority()
        .is_some_and(|host| host.as_str().contains('@'))
    {
        wrong("URL must not contain a username or password".to_owned());
    }
    if parsed.query().is_some_and(|query| !query.is_empty()) {
        wrong("URL must not contain a query".to_owned());
    }
    if !fragment.is_empty() {
        wrong("URL must not contain a fragment".to_owned());
    }
}

fn audiences(given: &At<'_>, errors: &mut Errors) -> Vec<String> {
    let at = given.field("audiences");
    let mut found: Vec<String> = Vec::new();
    for audience in at.items() {
        let text = audience.value.as_str().unwrap_or_default();
        if text.is_empty() {
            errors.push(FieldError::required(audience.path, ""));
        } else if found.iter().any(|known| known == text) {
            errors.push(FieldError::duplicate(audience.path, text));
        }
        found.push(text.to_owned());
    }
    let policy = given.text("audienceMatchPolicy");
    let why = match (found.len(), policy) {
        (0, _) => {
            let why = format!("at least one {} is required", at.path);
            errors.push(FieldError::required(at.path, why));
            return found;
        }
        (_, "MatchAny") | (1, "") => return found,
        (1, _) => "audienceMatchPolicy must be empty or MatchAny for single audience",
        _ => "audienceMatchPolicy must be MatchAny for multiple audiences",
    };
    let path = given.field("audienceMatchPolicy").path;
    errors.push(FieldError::invalid(path, policy, why));
    found
}
