//! Which certificate a client is shown: by the name that it asks for, or, where it asks for none, by the address that it reached
//! (apiserver pkg/server/dynamiccertificates: named_certificates.go, tlsconfig.go; Go's crypto/tls for the rest).

use crate::options::NamedPair;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use triad_machinery::names::dns1123_subdomain;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

#[derive(Debug)]
pub(super) struct Names {
    /// Exact names and `*.` ones. What was said explicitly goes before what a certificate says, and earlier pairs before later ones.
    by_name: HashMap<String, Arc<CertifiedKey>>,
    /// All certificates with the names that they are valid for, the serving one first: for names that nobody was given.
    valid_for: Vec<(Vec<String>, Arc<CertifiedKey>)>,
    /// For who asks for no name.
    unnamed: Arc<CertifiedKey>,
}

/// The names, and for each address that is one of them its certificate.
pub(super) struct Chosen {
    pub(super) names: Names,
    pub(super) by_address: HashMap<IpAddr, Arc<CertifiedKey>>,
}

impl Chosen {
    pub(super) fn new(
        serving: &Arc<CertifiedKey>,
        named: &[(&NamedPair, Arc<CertifiedKey>)],
    ) -> Self {
        let mut explicit = HashMap::new();
        let mut extracted = HashMap::new();
        for (pair, certificate) in named {
            for name in &pair.names {
                explicit.entry(name.clone()).or_insert(certificate.clone());
            }
            if pair.names.is_empty() {
                for name in names_of(certificate) {
                    extracted.entry(name).or_insert(certificate.clone());
                }
            }
        }
        let address = |(name, certificate): (&String, &Arc<CertifiedKey>)| {
            Some((name.parse().ok()?, certificate.clone()))
        };
        let by_address = explicit.iter().filter_map(address).collect();
        extracted.extend(explicit);
        let all = named.iter().map(|(_, certificate)| certificate);
        let all = std::iter::once(serving).chain(all);
        let valid_for = all.map(|one| (alternative_names(one), one.clone()));
        Chosen {
            names: Names {
                by_name: extracted,
                valid_for: valid_for.collect(),
                unnamed: serving.clone(),
            },
            by_address,
        }
    }
}

impl Names {
    /// The same for clients of an address with a certificate of its own.
    pub(super) fn at(&self, unnamed: Arc<CertifiedKey>) -> Self {
        Names {
            by_name: self.by_name.clone(),
            valid_for: self.valid_for.clone(),
            unnamed,
        }
    }

    fn shown(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name else {
            return &self.unnamed;
        };
        let serving = &self.valid_for[0].1;
        if self.by_name.is_empty() {
            return serving;
        }
        let wildcard = wildcard(name);
        let given = self.by_name.get(name);
        let given = given.or_else(|| self.by_name.get(&wildcard));
        let valid = || {
            let covers = |(names, _): &&(Vec<String>, _)| {
                names.iter().any(|one| one == name || *one == wildcard)
            };
            let valid = self.valid_for.iter().find(covers);
            valid.map_or(serving, |(_, certificate)| certificate)
        };
        given.unwrap_or_else(valid)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown(hello.server_name()).clone())
    }
}

/// The name whose first label may be any: one alone is `*`.
fn wildcard(name: &str) -> String {
    name.split_once('.')
        .map_or("*".to_owned(), |(_, rest)| format!("*.{rest}"))
}

/// The names that a certificate stands for when none are given with it: its common name, unless that is no name of a host, and
/// its alternative ones. Addresses do not count, since nobody can ask for one by name.
fn names_of(certificate: &CertifiedKey) -> Vec<String> {
    let mut names = Vec::new();
    with_parsed(certificate, |certificate| {
        let common = certificate.subject().iter_common_name().next();
        names.extend(
            common
                .and_then(|common| common.as_str().ok())
                .filter(|common| is_host(common))
                .map(str::to_owned),
        );
    });
    names.extend(alternative_names(certificate));
    names
}

fn is_host(common: &str) -> bool {
    let host = common.strip_prefix("*.").unwrap_or(common);
    common == "*" || (common.parse::<IpAddr>().is_err() && dns1123_subdomain(host).is_empty())
}

/// The names of hosts among a certificate's alternative names, in lower case, as names are asked for.
fn alternative_names(certificate: &CertifiedKey) -> Vec<String> {
    let mut names = Vec::new();
    with_parsed(certificate, |certificate| {
        // A certificate whose extensions cannot be read is valid for no name.
        let Ok(Some(alternative)) = certificate.subject_alternative_name() else {
            return;
        };
        let all = alternative.value.general_names.iter();
        names.extend(all.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        }));
    });
    names
}

fn with_parsed(certificate: &CertifiedKey, read: impl FnOnce(&X509Certificate<'_>)) {
    // What could not be parsed would not have become a pair.
    if let Ok(end) = certificate.end_entity_cert()
        && let Ok((_, parsed)) = x509_parser::parse_x509_certificate(end)
    {
        read(&parsed);
    }
}
