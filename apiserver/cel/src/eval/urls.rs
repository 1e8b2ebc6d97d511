//! URLs (k8s.io/apiserver pkg/cel/library/urls.go): what Go's net/url reads with `ParseRequestURI`, absolute ones or paths.

use super::Error;
use super::value::{Map, Opaque, Value};
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    /// With its port.
    host: String,
    path: String,
    query: String,
}

impl Url {
    /// The parts of a URL; what is wrong reads as Go has it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let failed = |why: &str| format!("parse {text:?}: {why}");
        if text.is_empty() {
            return Err(failed("empty url"));
        }
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(failed("net/url: invalid control character in URL"));
        }
        let (scheme, rest) = scheme(text).map_err(failed)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !rest.starts_with('/') && scheme.is_empty() {
            return Err(failed("invalid URI for request"));
        }
        if !rest.starts_with('/') {
            return Err(failed("invalid URI for request"));
        }
        let (host, path) = match rest.strip_prefix("//") {
            Some(after) if !scheme.is_empty() || !rest.starts_with("///") => {
                let end = after.find('/').unwrap_or(after.len());
                let host = after[..end]
                    .rsplit_once('@')
                    .map_or(&after[..end], |(_, host)| host);
                (host, &after[end..])
            }
            _ => ("", rest),
        };
        check_host(host).map_err(|why| failed(&why))?;
        for part in [path, host] {
            if let Some(escape) = bad_escape(part) {
                return Err(failed(&format!("invalid URL escape {escape:?}")));
            }
        }
        Ok(Url {
            scheme: scheme.to_lowercase(),
            host: host.to_owned(),
            path: escaped(path),
            query: query.to_owned(),
        })
    }

    fn host_name(&self) -> &str {
        match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => self.host.split(':').next().unwrap_or(&self.host),
        }
    }

    fn port(&self) -> &str {
        let rest = self.host.rsplit(']').next().unwrap_or(&self.host);
        rest.rsplit_once(':').map_or("", |(_, port)| port)
    }

    /// The query as lists by name.
    fn values<'a>(&self) -> Result<Value<'a>, Error> {
        let mut names: Vec<(String, Vec<Value<'a>>)> = Vec::new();
        for pair in self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'))
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (unescaped(name), unescaped(value));
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(Value::text(value)),
                None => names.push((name, vec![Value::text(value)])),
            }
        }
        let entries = names
            .into_iter()
            .map(|(name, values)| (Value::text(name), Value::list(values)));
        Map::from_entries(entries).map(Value::Map)
    }
}

fn scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme"),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn check_host(host: &str) -> Result<(), String> {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((_, port)) = rest.split_once(']') else {
            return Err("missing ']' in host".to_owned());
        };
        return check_port(port);
    }
    let port = host.find(':').map_or("", |at| &host[at..]);
    check_port(port)?;
    match host.chars().find(|c| " <>\"^`{|}\\".contains(*c)) {
        Some(c) => Err(format!(
            "invalid character {:?} in host name",
            c.to_string()
        )),
        None => Ok(()),
    }
}

fn check_port(port: &str) -> Result<(), String> {
    let digits = port.strip_prefix(':').unwrap_or(port);
    let fine = port.is_empty()
        || port.starts_with(':') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fine {
        Ok(())
    } else {
        Err(format!("invalid port {port:?} after host"))
    }
}

fn bad_escape(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut marks = text.match_indices('%').map(|(at, _)| at);
    let at = marks.find(|at| !hex(at + 1) || !hex(at + 2))?;
    let end = (at + 3).min(text.len());
    text.get(at..end).or(Some("%"))
}

/// A path as it is written: what may not stand there is escaped.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte as char),
            _ if b"-_.~$&+,/:;=@!'()*[]%".contains(&byte) => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = text
            .get(at + 1..at + 3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(super) fn call<'a>(
    function: &str,
    _member: bool,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, Error>> {
    match (function, args) {
        ("url", [Value::String(text)]) => Some(match Url::parse(text) {
            Ok(url) => Ok(Value::Opaque(Opaque::Url(Arc::new(url)))),
            Err(why) => Err(Error::new(format!(
                "URL parse error during conversion from string: {why}"
            ))),
        }),
        ("isURL", [Value::String(text)]) => Some(Ok(Value::Bool(Url::parse(text).is_ok()))),
        (_, [Value::Opaque(Opaque::Url(url))]) => Some(Ok(Value::text(match function {
            "getScheme" => url.scheme.as_str(),
            "getHost" => &url.host,
            "getHostname" => url.host_name(),
            "getPort" => url.port(),
            "getEscapedPath" => &url.path,
            "getQuery" => return Some(url.values()),
            _ => return None,
        }))),
        _ => None,
    }
}
