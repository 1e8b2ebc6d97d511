//! The flags about tokens of service accounts (kubernetes pkg/kubeapiserver/options/authentication.go).

use super::{Exit, Flags, refuse};
use std::path::PathBuf;

/// What kubelets ask for: tokens that may be extended.
pub const EXTENDABLE_SECONDS: i64 = 60 * 60 + 7;
const HOUR: i64 = 60 * 60;

#[derive(Clone, Default)]
pub struct ServiceAccounts {
    /// The first one signs, all are believed.
    pub issuers: Vec<String>,
    pub key_files: Vec<PathBuf>,
    pub signing_key_file: Option<PathBuf>,
    /// No token lives longer.
    pub max_seconds: Option<i64>,
    /// Tokens that kubelets ask for live for a year, so that those who do not read them anew are found before they fail.
    pub extends: bool,
    /// A token in a Secret counts only while its Secret and its account are there.
    pub lookup: bool,
    /// Where others find the public keys, when that is not this server.
    pub jwks_uri: Option<String>,
}

impl ServiceAccounts {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        let files = |name| flags.list(name).into_iter().map(PathBuf::from).collect();
        let extends = flags.flag("service-account-extend-token-expiration");
        Ok(ServiceAccounts {
            issuers: flags.list("service-account-issuer"),
            key_files: files("service-account-key-file"),
            signing_key_file: flags.file("service-account-signing-key-file"),
            max_seconds: max_seconds(flags, extends)?,
            extends,
            lookup: flags.flag("service-account-lookup"),
            jwks_uri: jwks_uri(flags)?,
        })
    }
}

fn max_seconds(flags: &Flags, extends: bool) -> Result<Option<i64>, Exit> {
    let name = "service-account-max-token-expiration";
    let asked = i64::try_from(flags.duration(name).as_secs()).unwrap_or(i64::MAX);
    if asked == 0 {
        return Ok(None);
    }
    if !(HOUR..=1 << 32).contains(&asked) {
        return Err(refuse(format!(
            "the --{name} must be between 1 hour and 2^32 seconds"
        )));
    }
    if extends && asked < EXTENDABLE_SECONDS {
        return Err(refuse(format!(
            "--{name} must be greater than {EXTENDABLE_SECONDS} seconds when projected service account token expiration extension is enabled"
        )));
    }
    Ok(Some(asked))
}

fn jwks_uri(flags: &Flags) -> Result<Option<String>, Exit> {
    let given = flags.text("service-account-jwks-uri");
    match &given {
        Some(uri) if !uri.starts_with("https://") => Err(refuse(format!(
            "--service-account-jwks-uri requires https scheme, parsed as: {uri}"
        ))),
        _ => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn parse(args: &[&str]) -> Result<ServiceAccounts, String> {
        let flags = Flags::parse("triad", args.iter().map(OsString::from));
        let flags = flags.map_err(|exit| exit.text)?;
        ServiceAccounts::new(&flags).map_err(|exit| exit.text)
    }

    #[test]
    fn the_longest_life_is_bounded_itself() {
        let name = "--service-account-max-token-expiration";
        let no_extension = "--service-account-extend-token-expiration=false";
        assert_eq!(parse(&[]).expect("good").max_seconds, None);
        let day = parse(&[&format!("{name}=24h")]).expect("good");
        assert_eq!((day.max_seconds, day.extends), (Some(86_400), true));
        let hour = parse(&[&format!("{name}=1h"), no_extension]).expect("good");
        assert_eq!((hour.max_seconds, hour.extends), (Some(3_600), false));
        for bad in ["1h", "59m", "1200000h"] {
            let why = parse(&[&format!("{name}={bad}")]).err();
            assert!(why.is_some_and(|why| why.contains(name)), "{bad}");
        }
    }

    #[test]
    fn keys_are_found_over_tls() {
        let name = "--service-account-jwks-uri";
        let uri = "https://keys.example/jwks";
        let good = parse(&[&format!("{name}={uri}")]).expect("good");
        assert_eq!(good.jwks_uri.as_deref(), Some(uri));
        assert!(parse(&[&format!("{name}=http://keys.example")]).is_err());
    }
}
