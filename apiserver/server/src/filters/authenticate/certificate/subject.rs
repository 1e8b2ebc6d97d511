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
