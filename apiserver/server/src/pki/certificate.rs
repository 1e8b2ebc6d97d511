//! What certificates say: whose key they are of, who signed them, how long they hold and for which names.

use rcgen::{KeyPair, PublicKeyData, SanType};
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{ParsedExtension, X509Certificate};

/// A pair with less than this left is made anew at the next start.
const RENEW_BEFORE: Duration = Duration::days(90);

/// Whether a private key is that of a certificate.
pub(super) fn belongs(key: &str, certificate: &[u8]) -> bool {
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(certificate) else {
        return false;
    };
    let (Ok(key), Ok(certificate)) = (KeyPair::from_pem(key), pem.parse_x509()) else {
        return false;
    };
    certificate.public_key().raw == key.subject_public_key_info()
}

/// Whether one certificate (the first of each text) signed another.
pub(super) fn issued(issuer: &str, certificate: &str) -> bool {
    let parse = |text: &str| x509_parser::pem::parse_x509_pem(text.as_bytes()).map(|(_, pem)| pem);
    let (Ok(issuer), Ok(certificate)) = (parse(issuer), parse(certificate)) else {
        return false;
    };
    let (Ok(issuer), Ok(certificate)) = (issuer.parse_x509(), certificate.parse_x509()) else {
        return false;
    };
    certificate.issuer() == issuer.subject()
        && authority_key(&certificate).is_none_or(|asked| subject_key(&issuer) == Some(asked))
}

/// The key that a certificate says it was signed with.
fn authority_key<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                id.key_identifier.as_ref().map(|id| id.0)
            }
            _ => None,
        })
}

fn subject_key<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
}

/// Whether a certificate has time left and bears all the names.
pub(super) fn still_good(pem: &[u8], names: &[SanType]) -> bool {
    let Ok((_, block)) = x509_parser::pem::parse_x509_pem(pem) else {
        return false;
    };
    let Ok(cert) = block.parse_x509() else {
        return false;
    };
    if cert.validity().not_after.to_datetime() - OffsetDateTime::now_utc() < RENEW_BEFORE {
        return false;
    }
    let held: Vec<String> =
        cert.subject_alternative_name()
            .ok()
            .flatten()
            .map_or_else(Vec::new, |san| {
                san.value
                    .general_names
                    .iter()
                    .map(|n| n.to_string())
                    .collect()
            });
    names.iter().all(|name| match name {
        SanType::DnsName(dns) => held
            .iter()
            .any(|h| h == &format!("DNSName({})", dns.as_str())),
        SanType::IpAddress(ip) => {
            let hex: Vec<String> = match ip {
                IpAddr::V4(v4) => v4.octets().iter().map(|b| format!("{b:02x}")).collect(),
                IpAddr::V6(v6) => v6.octets().iter().map(|b| format!("{b:02x}")).collect(),
            };
            held.iter().any(|h| {
                h == &format!("IPAddress({})", ip) || h == &format!("IPAddress({})", hex.join(":"))
            })
        }
        _ => true,
    })
}
