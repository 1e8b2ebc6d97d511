//! Content negotiation of answers and request bodies (apiserver pkg/endpoints/handlers/negotiation).
//!
//! Two stages as upstream: the route knows only media types and answers 406/415 in its own words; the handler reads
//! parameters (as, g, v, pretty, stream) and may refuse a transformation.

use crate::query::Query;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use triad_machinery::status::Status;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
    Protobuf,
}

pub(crate) const MEDIA_TYPES: [&str; 3] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
const STREAM_TYPES: [&str; 2] = [
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];

impl Media {
    const ALL: [Media; 3] = [Media::Json, Media::Yaml, Media::Protobuf];

    pub(crate) fn content_type(self) -> &'static str {
        MEDIA_TYPES[self as usize]
    }
}

/// Another kind that the client wants the answer as: `as`, `g` and `v` of the media type.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Convert {
    pub(crate) kind: String,
    pub(crate) group: String,
    pub(crate) version: String,
}

/// The form of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) media: Media,
    pub(crate) pretty: bool,
    pub(crate) convert: Option<Convert>,
}

impl Accepted {
    pub(crate) fn json() -> Self {
        Accepted {
            media: Media::Json,
            pretty: false,
            convert: None,
        }
    }
}

/// What a handler can answer with beyond the object itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// The object only.
    Plain,
    /// Also PartialObjectMetadata(List) of meta.k8s.io: what has no table columns of its own.
    Partial,
    /// Also Table, PartialObjectMetadata(List) of meta.k8s.io.
    Table,
    /// A watch: JSON and protobuf, transformations as for Table.
    Watch,
    /// Aggregated discovery, apidiscovery.k8s.io/v2.
    Discovery,
}

/// What the router answers when it has no representation for the Accept header (go-restful's match: case matters, no
/// partial wildcards).
pub(crate) fn route_accepts(headers: &HeaderMap, offered: &[&str]) -> Result<(), Status> {
    let Some(accept) = headers
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .filter(|text| !text.is_empty())
    else {
        return Ok(());
    };
    let matches = accept.split(',').any(|item| {
        let media = item.split(';').next().unwrap_or("").trim();
        media == "*/*" || offered.contains(&media)
    });
    if matches {
        Ok(())
    } else {
        Err(Status::generic(
            406,
            &format!(
                "406: Not Acceptable\n\nAvailable representations: {}",
                offered.join(", ")
            ),
        ))
    }
}

/// Chooses the answer's form by the Accept header.
pub(crate) fn accept(headers: &HeaderMap, query: &Query, offer: Offer) -> Result<Accepted, Status> {
    accept_where(headers, query, offer, |_| true)
}

/// The same among those that `takes` lets through.
pub(crate) fn accept_where(
    headers: &HeaderMap,
    query: &Query,
    offer: Offer,
    takes: impl Fn(&Accepted) -> bool,
) -> Result<Accepted, Status> {
    let header = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect::<Vec<_>>()
        .join(",");
    let pretty = || pretty_asked(headers, query);
    if header.trim().is_empty() {
        return Ok(Accepted {
            media: Media::Json,
            pretty: pretty(),
            convert: None,
        });
    }
    for clause in clauses(&header) {
        for media in Media::ALL {
            if offer == Offer::Watch && media == Media::Yaml {
                continue;
            }
            if !clause.covers(media) {
                continue;
            }
            if let Some(mut accepted) = clause.accepted(media, offer).filter(&takes) {
                accepted.pretty = accepted.pretty || pretty();
                return Ok(accepted);
            }
        }
    }
    Err(if offer == Offer::Watch {
        Status::not_acceptable(&STREAM_TYPES)
    } else {
        Status::not_acceptable(&MEDIA_TYPES)
    })
}

/// Which of `offered` (type and subtype) the Accept header wants; parameters do not matter. None when it wants none of them.
pub(crate) fn choose(headers: &HeaderMap, offered: &[(&str, &str)]) -> Option<usize> {
    let header = headers
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .filter(|text| !text.is_empty())
        .unwrap_or("*/*");
    clauses(header).iter().find_map(|clause| {
        offered.iter().position(|(kind, subtype)| {
            (clause.kind == "*" || clause.kind == *kind)
                && (clause.subtype == "*" || clause.subtype == *subtype)
        })
    })
}

/// The media type of a request body. Without a Content-Type it is JSON.
pub(crate) fn content(headers: &HeaderMap) -> Result<Media, Status> {
    let text = headers
        .get(CONTENT_TYPE)
        .map_or(Ok(""), |v| v.to_str())
        .unwrap_or("?");
    if text.is_empty() {
        return Ok(Media::Json);
    }
    let name = text
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    Media::ALL
        .into_iter()
        .find(|media| media.content_type() == name)
        .ok_or_else(|| Status::unsupported_media_type(&MEDIA_TYPES))
}

struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: f32,
    params: Vec<(&'a str, &'a str)>,
}

impl Clause<'_> {
    fn covers(&self, media: Media) -> bool {
        let (kind, subtype) = media.content_type().split_once('/').unwrap_or_default();
        match (self.kind, self.subtype) {
            ("*", "*") => true,
            (k, "*") => k == kind,
            (k, s) => k == kind && s == subtype,
        }
    }

    fn accepted(&self, media: Media, offer: Offer) -> Option<Accepted> {
        let mut accepted = Accepted {
            media,
            pretty: false,
            convert: None,
        };
        let mut convert = Convert::default();
        let mut asked = false;
        for (name, value) in &self.params {
            match *name {
                "as" => (convert.kind, asked) = ((*value).to_owned(), true),
                "g" => (convert.group, asked) = ((*value).to_owned(), true),
                "v" => (convert.version, asked) = ((*value).to_owned(), true),
                "stream" if *value == "watch" && offer == Offer::Watch => {}
                "stream" if !value.is_empty() => return None,
                "pretty" => accepted.pretty = *value == "1",
                _ => {}
            }
        }
        if asked && convert != Convert::default() {
            if !allowed(&convert, offer) {
                return None;
            }
            accepted.convert = Some(convert);
        }
        Some(accepted)
    }
}

fn allowed(convert: &Convert, offer: Offer) -> bool {
    match offer {
        Offer::Plain => false,
        Offer::Discovery => {
            convert.group == "apidiscovery.k8s.io"
                && convert.version == "v2"
                && convert.kind == "APIGroupDiscoveryList"
        }
        Offer::Partial | Offer::Table | Offer::Watch => {
            let kind = convert.kind.as_str();
            convert.group == "meta.k8s.io"
                && matches!(convert.version.as_str(), "v1" | "v1beta1")
                && (matches!(kind, "PartialObjectMetadata" | "PartialObjectMetadataList")
                    || kind == "Table" && offer != Offer::Partial)
        }
    }
}

/// The clauses of an Accept header, best first; equal ones keep their order.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header
        .split(',')
        .filter_map(|item| {
            let mut fields = item.split(';').map(str::trim);
            let (kind, subtype) = match fields.next()? {
                "*" => ("*", "*"),
                name => name.split_once('/')?,
            };
            let mut clause = Clause {
                kind: kind.trim(),
                subtype: subtype.trim(),
                quality: 1.0,
                params: Vec::new(),
            };
            for field in fields {
                let Some((name, value)) = field.split_once('=') else {
                    continue;
                };
                match name.trim() {
                    "q" => clause.quality = value.trim().parse().unwrap_or(1.0),
                    name => clause.params.push((name, value.trim().trim_matches('"'))),
                }
            }
            Some(clause)
        })
        .collect();
    clauses.sort_by(|a, b| {
        b.quality
            .total_cmp(&a.quality)
            .then_with(|| specificity(b).cmp(&specificity(a)))
    });
    clauses
}

fn specificity(clause: &Clause<'_>) -> u8 {
    u8::from(clause.kind != "*") + u8::from(clause.subtype != "*")
}

/// `pretty` in the query, else tools that people look at: curl, Wget and browsers.
fn pretty_asked(headers: &HeaderMap, query: &Query) -> bool {
    if let Some(value) = query.get("pretty").filter(|value| !value.is_empty()) {
        return matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = headers
        .get(USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    ["curl", "Wget", "Mozilla/5.0"]
        .iter()
        .any(|tool| agent.starts_with(tool))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
    }

    fn chosen(text: &'static str, offer: Offer) -> String {
        match accept(&headers(text), &Query::default(), offer) {
            Ok(a) => format!(
                "{:?}{}{}",
                a.media,
                a.convert.map_or(String::new(), |c| format!(" {}", c.kind)),
                if a.pretty { " pretty" } else { "" }
            ),
            Err(status) => status.code.to_string(),
        }
    }

    #[test]
    fn accepts() {
        assert_eq!(
            chosen(
                "application/json;q=0.1,application/yaml;q=0.9",
                Offer::Plain
            ),
            "Yaml"
        );
        assert_eq!(chosen("text/html,*/*;q=0.8", Offer::Plain), "Json");
        assert_eq!(
            chosen(
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                Offer::Table
            ),
            "Json Table"
        );
        assert_eq!(
            chosen(
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                Offer::Plain
            ),
            "Json"
        );
        assert_eq!(chosen("application/json;as=Table", Offer::Table), "406");
        assert_eq!(chosen("application/json;as=;g=;v=", Offer::Plain), "Json");
        assert_eq!(chosen("application/yaml", Offer::Watch), "406");
        assert_eq!(
            chosen("application/json;pretty=1", Offer::Plain),
            "Json pretty"
        );
        assert_eq!(chosen("APPLICATION/JSON", Offer::Plain), "406");
    }

    #[test]
    fn routes_refuse_in_their_own_words() {
        assert!(route_accepts(&headers("text/html,*/*;q=0.1"), &MEDIA_TYPES).is_ok());
        assert!(route_accepts(&headers(""), &MEDIA_TYPES).is_ok());
        let refused = route_accepts(&headers("application/*"), &MEDIA_TYPES)
            .expect_err("no partial wildcards");
        assert_eq!(
            refused.message,
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
    }
}
