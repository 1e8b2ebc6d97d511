//! The links of an HTML page: which attributes of which elements hold them, and where these stand. Everything else stays as it is
//! (apimachinery pkg/util/proxy/transport.go, rewriteHTML; HTML 5, 13.2.5 as far as tags go).

/// Elements and their attributes that are URLs.
const LINKS: [(&str, &[&str]); 25] = [
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];
/// Elements with no tags in them but their own end.
const RAW: [&str; 9] = [
    "iframe",
    "noembed",
    "noframes",
    "plaintext",
    "script",
    "style",
    "textarea",
    "title",
    "xmp",
];

/// The page with other links; none where all stay. What is no tag, or ends within one, stays, too.
pub(super) fn rewrite(page: &[u8], other: impl Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(page.len() + 1024);
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = find(page, at, b"<") {
        if !page.get(start + 1).is_some_and(u8::is_ascii_alphabetic) {
            let Some(end) = markup_end(page, start) else {
                break;
            };
            at = end;
            continue;
        }
        let Some((tag, end)) = Tag::read(page, start) else {
            break;
        };
        at = end;
        for (from, to, value) in tag.links() {
            if let Some(link) = std::str::from_utf8(value)
                .ok()
                .and_then(|raw| other(&unescaped(raw)))
            {
                out.extend_from_slice(&page[copied..from]);
                out.extend_from_slice(format!("\"{}\"", escaped(&link)).as_bytes());
                copied = to;
            }
        }
        if RAW.contains(&&*tag.name) {
            at = raw_end(page, end, &tag.name);
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&page[copied..]);
    Some(out)
}

fn find(page: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(page.get(from..)?, what)?;
    Some(from + at)
}

/// Where a comment, declaration or end tag ends, or where text goes on; none where the page ends before.
fn markup_end(page: &[u8], start: usize) -> Option<usize> {
    match page.get(start + 1)? {
        b'!' if page[start..].starts_with(b"<!--") => Some(find(page, start + 4, b"-->")? + 3),
        b'!' | b'?' | b'/' => Some(find(page, start, b">")? + 1),
        _ => Some(start + 1),
    }
}

/// Where a raw element's own end begins; the page's end where it has none.
fn raw_end(page: &[u8], from: usize, name: &str) -> usize {
    let mut at = from;
    while let Some(end) = find(page, at, b"</") {
        let rest = &page[end + 2..];
        if rest.len() >= name.len() && rest[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
            return end;
        }
        at = end + 2;
    }
    page.len()
}

struct Tag<'a> {
    name: String,
    /// Names of attributes with where their values stand, quotes included, and the values.
    attributes: Vec<(String, usize, usize, &'a [u8])>,
}

impl<'a> Tag<'a> {
    /// The tag that begins there, and what is behind it; none where the page ends within. A `>` in quotes ends it not, and
    /// quotes are such only where a value begins with them.
    fn read(text: &'a [u8], start: usize) -> Option<(Self, usize)> {
        let lower = |part: &[u8]| String::from_utf8_lossy(part).to_ascii_lowercase();
        let is_space = |byte: u8| byte.is_ascii_whitespace();
        let until = |from: usize, end: &dyn Fn(u8) -> bool| {
            let rest = text[from..].iter();
            from + rest.take_while(|byte| !end(**byte)).count()
        };
        let in_name = |byte: u8| is_space(byte) || b"/>".contains(&byte);
        let mut at = until(start + 1, &in_name);
        let name = lower(&text[start + 1..at]);
        let mut attributes = Vec::new();
        loop {
            at = until(at, &|byte| !is_space(byte) && byte != b'/');
            if *text.get(at)? == b'>' {
                return Some((Tag { name, attributes }, at + 1));
            }
            // An equals sign may begin a name.
            let start = at;
            at = until(at + 1, &|byte| in_name(byte) || byte == b'=');
            let attribute = lower(&text[start..at]);
            let sign = until(at, &|byte| !is_space(byte));
            if text.get(sign) != Some(&b'=') {
                continue;
            }
            let start = until(sign + 1, &|byte| !is_space(byte));
            let (value, end) = match text.get(start) {
                Some(quote @ (b'"' | b'\'')) => {
                    let end = until(start + 1, &|byte| byte == *quote);
                    (&text[start + 1..end], (end + 1).min(text.len()))
                }
                _ => {
                    let end = until(start, &|byte| is_space(byte) || byte == b'>');
                    (&text[start..end], end)
                }
            };
            attributes.push((attribute, start, end, value));
            at = end;
        }
    }

    /// Where its links stand, in order, and the links.
    fn links(&self) -> impl Iterator<Item = (usize, usize, &'a [u8])> {
        let own = LINKS.iter().find(|(name, _)| *name == self.name);
        let own = own.map_or(&[][..], |(_, attributes)| attributes);
        let all = self.attributes.iter();
        let links = all.filter(move |(name, ..)| own.contains(&name.as_str()));
        links.map(|(_, from, to, value)| (*from, *to, *value))
    }
}

/// The references that URLs bear.
const REFERENCES: [(&str, &str); 6] = [
    ("&quot;", "\""),
    ("&#34;", "\""),
    ("&#39;", "'"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
];

fn unescaped(text: &str) -> String {
    REFERENCES
        .iter()
        .fold(text.to_owned(), |text, (reference, character)| {
            text.replace(reference, character)
        })
}

/// As golang.org/x/net/html writes values.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('\'', "&#39;");
    let text = text.replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&#34;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, want: Option<&str>) {
        let other = |link: &str| link.starts_with('/').then(|| format!("/p{link}"));
        let got = rewrite(page.as_bytes(), other);
        let got = got.map(|page| String::from_utf8(page).expect("a text"));
        assert_eq!(got.as_deref(), want, "{page}");
    }

    #[test]
    fn links_are_changed_wherever_they_stand() {
        for (page, want) in [
            (
                "<!DOCTYPE html><A HREF=/a class=x>a</A><img src='/b' longdesc = \"/c\" />",
                "<!DOCTYPE html><A HREF=\"/p/a\" class=x>a</A><img src=\"/p/b\" longdesc = \"/p/c\" />",
            ),
            (
                "<form title=\">\" action=\"/f?a=1&amp;b=2\">",
                "<form title=\">\" action=\"/p/f?a=1&amp;b=2\">",
            ),
            (
                "<script src=/s>if (a<b) '<a href=\"/no\">'</script><a href=/yes>",
                "<script src=\"/p/s\">if (a<b) '<a href=\"/no\">'</script><a href=\"/p/yes\">",
            ),
            (
                "1 < 2 <!-- <a href=/no> --><a\nhref=/yes\n>",
                "1 < 2 <!-- <a href=/no> --><a\nhref=\"/p/yes\"\n>",
            ),
            // A quote within a value that began with none is part of it.
            (
                "<a href=/a=\"b><a href=/c>",
                "<a href=\"/p/a=&#34;b\"><a href=\"/p/c\">",
            ),
        ] {
            check(page, Some(want));
        }
    }

    #[test]
    fn what_is_no_link_stays() {
        for page in [
            "",
            "<",
            "<a",
            "<a href=/x",
            "<a href=\"/x>",
            "<p href=/x>",
            "<a title=/x href=x>",
            "</a href=/x>",
            "<title><a href=/x></title>",
            "<!-- <a href=/x>",
            "<a href>",
            "<a =/x>",
        ] {
            check(page, None);
        }
    }
}
