//! The flags about browsers: whose pages may ask, and that they are to come over TLS (apiserver pkg/server/options/server_run_options.go).

use super::{Exit, Flags, refuse};
use http::HeaderValue;
use regex::Regex;

#[derive(Clone, Default)]
pub struct Browsers {
    /// Origins that one of these matches may ask from their pages.
    pub origins: Vec<Regex>,
    /// The Strict-Transport-Security header of every answer.
    pub transport_security: Option<HeaderValue>,
}

impl Browsers {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        let given = flags.list("cors-allowed-origins");
        let origins: Result<_, _> = given.iter().map(|text| origin(text)).collect();
        let directives = flags.list("strict-transport-security-directives");
        Ok(Browsers {
            origins: origins?,
            transport_security: transport_security(&directives)?,
        })
    }
}

/// One that does not pin the host would let hosts in that bear another's name within theirs (CVE-2022-1996).
fn origin(text: &str) -> Result<Regex, Exit> {
    let wrong = |why: String| {
        refuse(format!(
            "--cors-allowed-origins has an invalid regular expression: {why}; write, say, //example\\.com(:|$)"
        ))
    };
    let pinned = ["^", "//"].iter().any(|start| text.contains(start))
        && ["$", ":"].iter().any(|end| text.contains(end));
    if !pinned {
        return Err(wrong(format!(
            "{text} does not pin to start/end of host in the origin header"
        )));
    }
    Regex::new(text).map_err(|error| wrong(error.to_string()))
}

fn transport_security(directives: &[String]) -> Result<Option<HeaderValue>, Exit> {
    for directive in directives {
        check_directive(directive)?;
    }
    let said = (!directives.is_empty()).then(|| HeaderValue::from_str(&directives.join("; ")));
    said.transpose().map_err(|error| refuse(error.to_string()))
}

/// RFC 6797, section 6.1.
fn check_directive(text: &str) -> Result<(), Exit> {
    let seconds = text.strip_prefix("max-age=");
    let is_age =
        seconds.is_some_and(|age| !age.is_empty() && age.bytes().all(|b| b.is_ascii_digit()));
    if is_age || ["includeSubDomains", "preload"].contains(&text) {
        return Ok(());
    }
    Err(refuse(format!(
        "--strict-transport-security-directives {text:?} is none of max-age=SECONDS, includeSubDomains and preload"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn parse(arg: &str) -> Result<Browsers, String> {
        let flags = Flags::parse("triad", [OsString::from(arg)]);
        let flags = flags.map_err(|exit| exit.text)?;
        Browsers::new(&flags).map_err(|exit| exit.text)
    }

    #[test]
    fn origins_must_pin_their_host() {
        for good in [
            r"^https://a\.example$",
            "//a.example(:|$)",
            "(?i)//x(?::|$)",
        ] {
            let parsed = parse(&format!("--cors-allowed-origins={good}")).expect(good);
            assert_eq!(parsed.origins.len(), 1, "{good}");
        }
        for bad in ["a.example", "//a.example", "a.example$", "//a[(:|$)"] {
            let why = parse(&format!("--cors-allowed-origins={bad}")).err();
            let why = why.unwrap_or_else(|| panic!("{bad} is taken"));
            assert!(why.contains("invalid regular expression"), "{why}");
        }
    }

    #[test]
    fn transport_security_is_said_as_it_was_given() {
        let name = "--strict-transport-security-directives";
        let parsed = parse(&format!("{name}=max-age=31536000,includeSubDomains")).expect("good");
        let said = parsed.transport_security.expect("said");
        assert_eq!(said, "max-age=31536000; includeSubDomains");
        for bad in ["max-age", "max-age=", "max-age=x", "includesubdomains"] {
            assert!(parse(&format!("{name}={bad}")).is_err(), "{bad}");
        }
    }
}
