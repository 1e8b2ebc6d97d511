//! The flags about TLS of the secure port (component-base cli/flag: ciphersuites_flag.go, curves_flag.go, namedcertkey_flag.go).
//!
//! What is chosen here narrows what rustls does; the order of preference stays rustls' own, as it stays Go's upstream.

use super::{Exit, Flags, refuse};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{NamedGroup, SupportedCipherSuite, SupportedProtocolVersion, version};
use std::path::PathBuf;
use std::sync::Arc;

static BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
static TLS13_ONLY: &[&SupportedProtocolVersion] = &[&version::TLS13];
/// The suites of TLS 1.3, which are always on: Go's names are taken, and choose nothing.
const ALWAYS_ON: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];
/// Names from before Go had today's.
const FORMER: [(&str, &str); 2] = [
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];
/// What Go does and rustls does not, being without forward secrecy or authenticated encryption.
const NOT_DONE: [&str; 16] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];
/// One of these has every client of HTTP/2 (RFC 9113, 9.2.2).
const OF_HTTP2: [&str; 2] = [
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
];
/// Go's CurveIDs (IANA's numbers of supported groups) by their names there.
const CURVES: [(u16, &str); 7] = [
    (23, "CurveP256"),
    (24, "CurveP384"),
    (25, "CurveP521"),
    (29, "X25519"),
    (4587, "SecP256r1MLKEM768"),
    (4588, "X25519MLKEM768"),
    (4589, "SecP384r1MLKEM1024"),
];

/// How the secure port speaks, and what it shows to clients that ask for a name.
#[derive(Clone)]
pub struct Transport {
    pub provider: Arc<CryptoProvider>,
    pub versions: &'static [&'static SupportedProtocolVersion],
    pub http2: bool,
    /// In the order in which they were given.
    pub named: Vec<NamedPair>,
}

/// A certificate and its key for clients that ask for one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Empty: the names that the certificate bears.
    pub names: Vec<String>,
}

impl Transport {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        let http2 = !flags.flag("disable-http2-serving");
        let known = aws_lc_rs::default_provider();
        let mut versions = match only_tls13(flags)? {
            true => TLS13_ONLY,
            false => BOTH,
        };
        let mut cipher_suites = known.cipher_suites.clone();
        let asked = flags.list("tls-cipher-suites");
        if !asked.is_empty() {
            cipher_suites = suites(&asked, &known.cipher_suites)?;
            if cipher_suites.iter().all(|suite| suite.tls13().is_some()) {
                versions = TLS13_ONLY;
            } else if http2 && versions.len() > 1 && !asked.iter().any(is_of_http2) {
                return Err(refuse(format!(
                    "--tls-cipher-suites: HTTP/2 needs one of {}; add one, or give --disable-http2-serving",
                    OF_HTTP2.join(", ")
                )));
            }
        }
        let kx_groups = match flags.list("tls-curve-preferences") {
            asked if asked.is_empty() => known.kx_groups.clone(),
            asked => groups(&asked, &known.kx_groups)?,
        };
        let provider = CryptoProvider {
            cipher_suites,
            kx_groups,
            ..known
        };
        Ok(Transport {
            provider: Arc::new(provider),
            versions,
            http2,
            named: named(flags)?,
        })
    }
}

fn is_of_http2(name: impl AsRef<str>) -> bool {
    OF_HTTP2.contains(&name.as_ref())
}

/// What is said of a least version that is below what is spoken.
pub(super) fn warning(flags: &Flags) -> Option<String> {
    let asked = flags.text("tls-min-version")?;
    ["VersionTLS10", "VersionTLS11"].contains(&asked.as_str()).then(|| {
        format!("--tls-min-version={asked} has less effect than asked for: nothing below TLS 1.2 is spoken")
    })
}

fn only_tls13(flags: &Flags) -> Result<bool, Exit> {
    match flags.text("tls-min-version").as_deref() {
        None | Some("VersionTLS12" | "VersionTLS11" | "VersionTLS10") => Ok(false),
        Some("VersionTLS13") => Ok(true),
        Some(other) => Err(refuse(format!(
            "unknown tls version {other:?}; possible values: VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13"
        ))),
    }
}

/// Go's name of a suite of TLS 1.2.
fn name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite())
}

/// The suites asked for, and those of TLS 1.3.
fn suites(
    asked: &[String],
    known: &[SupportedCipherSuite],
) -> Result<Vec<SupportedCipherSuite>, Exit> {
    let choices: Vec<String> = known
        .iter()
        .filter(|suite| suite.tls13().is_none())
        .map(name)
        .collect();
    let choices_text = choices.join(", ");
    let mut chosen = Vec::with_capacity(asked.len());
    for asked in asked {
        let former = FORMER.iter().find(|(former, _)| former == asked);
        let asked = former.map_or(asked.as_str(), |(_, now)| now);
        if choices.iter().any(|choice| choice == asked) {
            chosen.push(asked);
        } else if NOT_DONE.contains(&asked) {
            return Err(refuse(format!(
                "--tls-cipher-suites: {asked} cannot be served here, since it is insecure or obsolete; possible values: {choices_text}"
            )));
        } else if !ALWAYS_ON.contains(&asked) {
            return Err(refuse(format!(
                "--tls-cipher-suites: cipher suite {asked} does not exist; possible values: {choices_text}"
            )));
        }
    }
    let wanted = |suite: &&SupportedCipherSuite| {
        suite.tls13().is_some() || chosen.contains(&name(suite).as_str())
    };
    Ok(known.iter().filter(wanted).copied().collect())
}

/// The groups asked for by number, in rustls' order of preference.
fn groups(
    asked: &[String],
    preferred: &[&'static dyn SupportedKxGroup],
) -> Result<Vec<&'static dyn SupportedKxGroup>, Exit> {
    let flag = "--tls-curve-preferences";
    let mut numbers = Vec::with_capacity(asked.len());
    for text in asked {
        let number: i64 = text.parse().map_err(|_| {
            refuse(format!(
                "invalid argument {text:?} for \"{flag}\" flag: must be numbers of curves"
            ))
        })?;
        let number = u16::try_from(number).ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| {
            refuse(format!(
                "{flag}: curve preference {text} is out of range (must be 1-65535)"
            ))
        })?;
        if numbers.contains(&number) {
            return Err(refuse(format!("{flag}: duplicate curve preference {text}")));
        }
        numbers.push(number);
    }
    let others = aws_lc_rs::ALL_KX_GROUPS
        .iter()
        .filter(|group| CURVES.iter().any(|(id, _)| *id == id_of(**group)))
        .filter(|group| {
            preferred
                .iter()
                .all(|known| id_of(*known) != id_of(**group))
        });
    let all: Vec<_> = preferred.iter().chain(others).copied().collect();
    if let Some(number) = numbers
        .iter()
        .find(|number| all.iter().all(|group| id_of(*group) != **number))
    {
        let done: Vec<String> = CURVES
            .iter()
            .filter(|(id, _)| all.iter().any(|group| id_of(*group) == *id))
            .map(|(id, name)| format!("{id} ({name})"))
            .collect();
        let name = CURVES.iter().find(|(id, _)| id == number);
        let name = name.map_or(String::new(), |(_, name)| format!(" ({name})"));
        return Err(refuse(format!(
            "{flag}: curve preference {number}{name} is not supported; possible values: {}",
            done.join(", ")
        )));
    }
    let wanted = |group: &&'static dyn SupportedKxGroup| numbers.contains(&id_of(*group));
    Ok(all.into_iter().filter(wanted).collect())
}

fn id_of(group: &dyn SupportedKxGroup) -> u16 {
    let group: NamedGroup = group.name();
    u16::from(group)
}

fn named(flags: &Flags) -> Result<Vec<NamedPair>, Exit> {
    let pair = |text: &String| {
        pair(text).map_err(|why| {
            refuse(format!(
                "invalid argument {text:?} for \"--tls-sni-cert-key\" flag: {why}"
            ))
        })
    };
    flags.each("tls-sni-cert-key").iter().map(pair).collect()
}

/// CERTIFICATE,KEY or CERTIFICATE,KEY:NAME,NAME
fn pair(text: &str) -> Result<NamedPair, &'static str> {
    let (files, names) = match text.split_once(':') {
        Some((_, names)) if names.trim().is_empty() => {
            return Err("empty names list is not allowed");
        }
        Some((files, names)) => (files, names.split(',').collect()),
        None => (text, Vec::new()),
    };
    let files: Vec<&str> = files.split(',').map(str::trim).collect();
    match files[..] {
        [certificate, key] if !certificate.is_empty() && !key.is_empty() => Ok(NamedPair {
            certificate: certificate.into(),
            key: key.into(),
            names: names
                .into_iter()
                .map(|name: &str| name.trim().to_ascii_lowercase())
                .collect(),
        }),
        _ => Err("expected comma separated certificate and key file paths"),
    }
}

#[cfg(test)]
mod tests;
