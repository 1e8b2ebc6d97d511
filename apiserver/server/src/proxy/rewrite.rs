//! What comes back through a proxy leads through the proxy again: Location headers and the links of HTML pages (apimachinery
//! pkg/util/proxy/transport.go).

mod html;

use super::location::{cleaned_with_slash, escaped};
use crate::body::{Body, CutShort, Piece};
use crate::filters::request_info::percent_decode;
use crate::reply::Reply;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{DeflateDecoder, GzDecoder};
use flate2::write::{DeflateEncoder, GzEncoder};
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, iter};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
};
use std::io::{self, Read, Write};
use triad_machinery::status::Status;

/// Longer pages are handed on as they are.
const LONGEST_PAGE: usize = 8 << 20;

pub(crate) struct Rewrite {
    /// What stands before the path of the other server, decoded.
    pub(crate) prefix: String,
    /// The host that was asked for.
    pub(crate) asked: String,
    /// The host that answers.
    pub(crate) answering: String,
}

impl Rewrite {
    /// The answer with its links.
    pub(crate) async fn answer(&self, mut reply: Reply) -> Result<Reply, Status> {
        let location = header(&reply, &LOCATION).to_owned();
        if !location.is_empty() {
            if let Some(through) = self.link(&location) {
                let through = HeaderValue::from_str(&through).map_err(Status::internal)?;
                reply.headers_mut().insert(LOCATION, through);
            }
            return Ok(reply);
        }
        let content_type = header(&reply, &CONTENT_TYPE).split(';').next();
        let is_page = content_type.is_some_and(|of| of.trim() == "text/html");
        let encoding = header(&reply, &CONTENT_ENCODING).to_owned();
        if is_page && ["", "gzip", "deflate"].contains(&&*encoding) {
            self.page(&mut reply, &encoding).await;
        }
        Ok(reply)
    }

    async fn page(&self, reply: &mut Reply, encoding: &str) {
        let body = std::mem::replace(reply.body_mut(), Body::empty());
        let Body::Stream(stream) = body else {
            return *reply.body_mut() = body;
        };
        let (whole, rest) = collected(stream).await;
        let changed = match rest {
            Some(_) => None,
            None => self.changed(&whole, encoding),
        };
        *reply.body_mut() = match (changed, rest) {
            (Some(page), _) => {
                // Another length, and nothing is known of what else spoke of its bytes.
                reply.headers_mut().remove(CONTENT_LENGTH);
                Body::from(page)
            }
            (None, None) => Body::from(whole),
            (None, Some(rest)) => Body::Stream(iter([Ok(Bytes::from(whole))]).chain(rest).boxed()),
        };
    }

    /// A page with its links, in the form that it came in; none where it cannot be read or is as it should be.
    fn changed(&self, page: &[u8], encoding: &str) -> Option<Vec<u8>> {
        let plain = match encoding {
            "gzip" => unpacked(GzDecoder::new(page)),
            "deflate" => unpacked(DeflateDecoder::new(page)),
            _ => Some(page.to_vec()),
        }?;
        let changed = html::rewrite(&plain, |link| self.link(link))?;
        let packed: io::Result<Vec<u8>> = match encoding {
            "gzip" => packed(GzEncoder::new(Vec::new(), Compression::default()), &changed)
                .and_then(GzEncoder::finish),
            "deflate" => packed(
                DeflateEncoder::new(Vec::new(), Compression::best()),
                &changed,
            )
            .and_then(DeflateEncoder::finish),
            _ => Ok(changed),
        };
        packed
            .inspect_err(|error| tracing::warn!(%error, "a page cannot be packed"))
            .ok()
    }

    /// A link as it leads through the proxy; none where it does so as it is, or leads elsewhere.
    fn link(&self, text: &str) -> Option<String> {
        let link = Link::read(text)?;
        let own = [&*self.answering, &*self.asked].contains(&link.host);
        if !link.host.is_empty() && !own || !link.path.starts_with('/') {
            return None;
        }
        let keeps_host = link.host == self.asked && !link.host.is_empty();
        let start = match keeps_host {
            true => &text[..link.before],
            false => "",
        };
        let path = percent_decode(link.path);
        let through = match path.starts_with(&self.prefix) {
            true => link.path.to_owned(),
            false => escaped(&cleaned_with_slash(&format!("{}{path}", self.prefix))),
        };
        let through = format!("{start}{through}{}", link.behind);
        (through != text).then_some(through)
    }
}

fn header<'a>(reply: &'a Reply, name: &HeaderName) -> &'a str {
    let value = reply.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// The parts of a URL or of a relative one.
struct Link<'a> {
    host: &'a str,
    path: &'a str,
    /// Where scheme and host end.
    before: usize,
    /// Query and fragment.
    behind: &'a str,
}

impl<'a> Link<'a> {
    /// None where it has no path of its own, such as `mailto:`.
    fn read(text: &'a str) -> Option<Self> {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let (start, behind) = text.split_at(end);
        let scheme = start.find(':').filter(|at| is_scheme(&start[..*at]));
        let after = scheme.map_or(0, |at| at + 1);
        let rest = &start[after..];
        let authority = rest.strip_prefix("//");
        if scheme.is_some() && authority.is_none() {
            return None;
        }
        let (host, path) = match authority {
            None => ("", rest),
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        };
        Some(Link {
            // Without whom it is asked as.
            host: host.rsplit('@').next().unwrap_or(host),
            path,
            before: start.len() - path.len(),
            behind,
        })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

type Rest = BoxStream<'static, Piece>;

/// A whole body; of one that is too long, or that ended early, its beginning and what comes behind.
async fn collected(mut stream: Rest) -> (Vec<u8>, Option<Rest>) {
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(CutShort) => return (whole, Some(iter([Err(CutShort)]).boxed())),
        }
        if whole.len() > LONGEST_PAGE {
            return (whole, Some(stream));
        }
    }
    (whole, None)
}

/// None where it is not what it says, or too long.
fn unpacked(packed: impl Read) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let read = packed.take(LONGEST_PAGE as u64 + 1).read_to_end(&mut plain);
    match read {
        Ok(_) => (plain.len() <= LONGEST_PAGE).then_some(plain),
        Err(error) => {
            tracing::debug!(%error, "a page is handed on as it is, since it cannot be unpacked");
            None
        }
    }
}

fn packed<W: Write>(mut encoder: W, plain: &[u8]) -> io::Result<W> {
    encoder.write_all(plain)?;
    Ok(encoder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    const PREFIX: &str = "/api/v1/namespaces/n/services/s/proxy";

    fn through() -> Rewrite {
        Rewrite {
            prefix: PREFIX.to_owned(),
            asked: "api.example:6443".to_owned(),
            answering: "10.1.0.7:80".to_owned(),
        }
    }

    #[test]
    fn links_within_lead_through_the_proxy_and_others_stay() {
        for (link, want) in [
            (
                "/login?next=/a#b",
                Some(format!("{PREFIX}/login?next=/a#b")),
            ),
            ("/a/", Some(format!("{PREFIX}/a/"))),
            ("http://10.1.0.7:80/x", Some(format!("{PREFIX}/x"))),
            ("//10.1.0.7:80/x", Some(format!("{PREFIX}/x"))),
            (
                "https://api.example:6443/x y",
                Some(format!("https://api.example:6443{PREFIX}/x%20y")),
            ),
            ("/api/v1/namespaces/n/services/s/proxy/x", None),
            ("https://elsewhere.example/x", None),
            ("relative/x", None),
            ("?a=b", None),
            ("mailto:a@b", None),
            ("javascript:go('/x')", None),
        ] {
            assert_eq!(through().link(link), want, "{link}");
        }
    }

    #[tokio::test]
    async fn pages_are_read_in_the_form_that_they_come_in() {
        let page = b"<a href=\"/x\">x</a>";
        let gzip = GzEncoder::new(Vec::new(), Compression::default());
        let gzip = packed(gzip, page)
            .and_then(GzEncoder::finish)
            .expect("gzip");
        let deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        let deflate = packed(deflate, page)
            .and_then(DeflateEncoder::finish)
            .expect("deflate");
        let want = format!("<a href=\"{PREFIX}/x\">x</a>").into_bytes();
        for (encoding, body) in [("", page.to_vec()), ("gzip", gzip), ("deflate", deflate)] {
            let changed = through().changed(&body, encoding).expect("a page");
            let plain = match encoding {
                "gzip" => unpacked(GzDecoder::new(&changed[..])),
                "deflate" => unpacked(DeflateDecoder::new(&changed[..])),
                _ => Some(changed),
            };
            assert_eq!(plain.expect("readable"), want, "{encoding}");
        }
        assert_eq!(through().changed(b"no gzip", "gzip"), None);
    }

    #[tokio::test]
    async fn what_is_too_long_or_ends_early_is_handed_on_as_it_comes() {
        let long = vec![b' '; LONGEST_PAGE];
        let pieces = [
            Ok(Bytes::from(long)),
            Ok(Bytes::from_static(b"<a href=/x>")),
        ];
        let cut = [Ok(Bytes::from_static(b"<a href=/x>")), Err(CutShort)];
        for (pieces, ends_well) in [(pieces, true), (cut, false)] {
            let mut reply = Response::new(Body::Stream(iter(pieces).boxed()));
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            reply.headers_mut().insert(CONTENT_TYPE, html);
            let Body::Stream(body) = through().answer(reply).await.expect("a reply").into_body()
            else {
                panic!("it comes piece by piece");
            };
            let pieces: Vec<Piece> = body.collect().await;
            assert_eq!(pieces.iter().all(Result::is_ok), ends_well);
            let sent: Vec<u8> = pieces.into_iter().flatten().flatten().collect();
            assert!(sent.ends_with(b"<a href=/x>"));
        }
    }
}
