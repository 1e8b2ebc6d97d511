//! The grammar of a marker: `k8s:NAME(ARGS)=PAYLOAD`, where the payload may be another marker.

/// One marker taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Marker<'a> {
    pub(super) name: &'a str,
    /// What stands in parentheses.
    pub(super) args: &'a str,
    /// What stands after `=`, without quotes, a comment or the `+` of a nested marker.
    pub(super) payload: &'a str,
}

/// How far a rule is on its way: what alpha ones find is not told (the gates of the others are on).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Staged<'a> {
    pub(super) shown: bool,
    /// What upstream orders rules by.
    pub(super) order: &'a str,
    pub(super) marker: Marker<'a>,
}

impl<'a> Marker<'a> {
    /// None where the text is no marker of declarative validation.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim_start_matches('+').strip_prefix("k8s:")?;
        let end = text.find(['(', '=', ' ']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let (args, rest) = match rest.strip_prefix('(') {
            Some(inside) => inside.split_once(')')?,
            None => ("", rest),
        };
        let payload = rest.trim().strip_prefix('=').unwrap_or("");
        let payload = payload.split(" #").next().unwrap_or("").trim();
        Some(Marker {
            name,
            args: args.trim_matches('"'),
            payload: payload.trim_matches('"'),
        })
    }

    /// The marker behind its stage.
    pub(super) fn staged(text: &'a str) -> Option<Staged<'a>> {
        let marker = Marker::parse(text)?;
        let inner = match marker.name {
            "alpha" | "beta" => marker.nested()?,
            _ => marker,
        };
        Some(Staged {
            shown: marker.name != "alpha",
            order: marker.name,
            marker: inner,
        })
    }

    pub(super) fn nested(&self) -> Option<Marker<'a>> {
        Marker::parse(self.payload)
    }

    pub(super) fn number<T: std::str::FromStr>(&self) -> Option<T> {
        self.payload.parse().ok()
    }

    /// The value of a named argument: `type: "Approved"`.
    pub(super) fn arg(&self) -> Option<(&'a str, &'a str)> {
        let (name, value) = self.args.split_once(':')?;
        Some((name.trim(), value.trim().trim_matches('"')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_come_apart() {
        let cases = [
            ("k8s:required", ("required", "", "")),
            ("k8s:maximum=10 # why", ("maximum", "", "10")),
            (
                "k8s:format=\"k8s-short-name\"",
                ("format", "", "k8s-short-name"),
            ),
            (
                "k8s:ifDisabled(\"Gate\")=+k8s:forbidden",
                ("ifDisabled", "Gate", "+k8s:forbidden"),
            ),
        ];
        for (text, want) in cases {
            let found = Marker::parse(text).expect(text);
            assert_eq!((found.name, found.args, found.payload), want, "{text}");
        }
        assert_eq!(Marker::parse("optional"), None);
    }

    #[test]
    fn alpha_is_not_shown() {
        let staged = Marker::staged("k8s:alpha(since:\"1.37\")=+k8s:minimum=0").expect("a marker");
        assert!(!staged.shown);
        assert_eq!(staged.marker.number(), Some(0));
        let item = Marker::parse("k8s:item(type: \"Denied\")=+k8s:zeroOrOneOfMember");
        assert_eq!(item.and_then(|item| item.arg()), Some(("type", "Denied")));
    }
}
