//! Whom a client certificate names. Nothing is proved by that.

use crate::user::{CREDENTIAL_ID, User};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use x509_parser::prelude::X509Name;

/// The part of a name that is a user's UID (apimachinery pkg/apis/asn1).
const UID: &str = "1.3.6.1.4.1.57683.2";

/// CN is the user, each O a group; a certificate without CN, or with a UID that is empty, none or several, is nobody.
pub(in crate::filters::authenticate) fn subject(der: &[u8]) -> Option<User> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups = subject.iter_organization().filter_map(|o| o.as_str().ok());
    let digest = Sha256::digest(der);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (!name.is_empty()).then_some(())?;
    Some(User {
        name,
        uid: uid(subject)?,
        groups: groups.map(str::to_owned).collect(),
        extra: BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={hex}")])]),
    })
}

/// Empty where there is none.
fn uid(subject: &X509Name<'_>) -> Option<String> {
    let mut all = subject.iter_attributes();
    let mut all = all
        .by_ref()
        .filter(|part| part.attr_type().to_id_string() == UID);
    match (all.next(), all.next()) {
        (None, _) => Some(String::new()),
        (Some(one), None) => one
            .as_str()
            .ok()
            .filter(|uid| !uid.is_empty())
            .map(str::to_owned),
        (Some(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    const UID_PARTS: [u64; 9] = [1, 3, 6, 1, 4, 1, 57683, 2, 0];

    fn certificate(parts: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in parts {
            params.distinguished_name.push(kind.clone(), *text);
        }
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    #[test]
    fn a_certificate_names_its_user_and_itself() {
        let common = (DnType::CommonName, "alice");
        let uid = || DnType::CustomDnType(UID_PARTS[..8].to_vec());
        let der = certificate(&[
            common.clone(),
            (DnType::OrganizationName, "team"),
            (uid(), "7"),
        ]);
        let user = subject(&der).expect("a user");
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("alice", "7"));
        assert_eq!(user.groups, ["team"]);
        let credential = &user.extra[CREDENTIAL_ID][0];
        let digest = credential
            .strip_prefix("X509SHA256=")
            .expect("by its digest");
        let first = format!("{:02x}", Sha256::digest(&der)[0]);
        assert!(digest.len() == 64 && digest.starts_with(&first));
        let plain = subject(&certificate(std::slice::from_ref(&common))).expect("a user");
        assert_eq!(plain.uid, "");
        // Another attribute below the same number is no UID.
        let other = (DnType::CustomDnType(UID_PARTS.to_vec()), "8");
        let other = subject(&certificate(&[common.clone(), other])).expect("a user");
        assert_eq!(other.uid, "");
        assert_eq!(subject(&certificate(&[common, (uid(), "")])), None);
        assert_eq!(
            subject(&certificate(&[(DnType::OrganizationName, "team")])),
            None
        );
    }
}
