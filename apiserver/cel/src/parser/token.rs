//! The kinds of tokens, their names as errors show them, and sets of them (cel-go's parser/gen/CEL.g4 has the order).

/// A kind of token: its number in the grammar.
pub(crate) type Kind = u8;

pub(crate) const EOF: Kind = 0;
pub(crate) const IN: Kind = 3;
pub(crate) const MINUS: Kind = 18;
pub(crate) const CEL_TRUE: Kind = 26;
pub(crate) const CEL_FALSE: Kind = 27;
pub(crate) const NUL: Kind = 28;
pub(crate) const WHITESPACE: Kind = 29;
pub(crate) const COMMENT: Kind = 30;
pub(crate) const NUM_FLOAT: Kind = 31;
pub(crate) const NUM_INT: Kind = 32;
pub(crate) const NUM_UINT: Kind = 33;
pub(crate) const STRING: Kind = 34;
pub(crate) const BYTES: Kind = 35;
pub(crate) const IDENTIFIER: Kind = 36;
pub(crate) const ESC_IDENTIFIER: Kind = 37;

/// By kind: the literal between quotes, or the symbol of a kind that has no one text.
const NAMES: [&str; 38] = [
    "<EOF>",
    "'=='",
    "'!='",
    "'in'",
    "'<'",
    "'<='",
    "'>='",
    "'>'",
    "'&&'",
    "'||'",
    "'['",
    "']'",
    "'{'",
    "'}'",
    "'('",
    "')'",
    "'.'",
    "','",
    "'-'",
    "'!'",
    "'?'",
    "':'",
    "'+'",
    "'*'",
    "'/'",
    "'%'",
    "'true'",
    "'false'",
    "'null'",
    "WHITESPACE",
    "COMMENT",
    "NUM_FLOAT",
    "NUM_INT",
    "NUM_UINT",
    "STRING",
    "BYTES",
    "IDENTIFIER",
    "ESC_IDENTIFIER",
];

/// The kinds that are one text, longest first among those with a common beginning.
const OPERATORS: [(&str, Kind); 24] = [
    ("==", 1),
    ("!=", 2),
    ("<=", 5),
    (">=", 6),
    ("&&", 8),
    ("||", 9),
    ("<", 4),
    (">", 7),
    ("[", 10),
    ("]", 11),
    ("{", 12),
    ("}", 13),
    ("(", 14),
    (")", 15),
    (".", 16),
    (",", 17),
    ("-", MINUS),
    ("!", 19),
    ("?", 20),
    (":", 21),
    ("+", 22),
    ("*", 23),
    ("/", 24),
    ("%", 25),
];

/// The name of a kind in an error.
pub(crate) fn name(kind: Kind) -> &'static str {
    NAMES[usize::from(kind)]
}

/// The kind that a name or a quoted literal of the grammar's text stands for.
pub(crate) fn by_name(text: &str) -> Option<Kind> {
    match text {
        "EOF" => Some(EOF),
        _ => NAMES
            .iter()
            .position(|name| *name == text)
            .and_then(|at| Kind::try_from(at).ok()),
    }
}

/// What a word is: a keyword or an identifier.
pub(crate) fn word(text: &str) -> Kind {
    match text {
        "in" => IN,
        "true" => CEL_TRUE,
        "false" => CEL_FALSE,
        "null" => NUL,
        _ => IDENTIFIER,
    }
}

/// The operator at the beginning of `rest`.
pub(crate) fn operator(rest: &[char]) -> Option<(usize, Kind)> {
    OPERATORS
        .iter()
        .find(|(text, _)| text.chars().zip(rest).filter(|(a, b)| a == *b).count() == text.len())
        .map(|(text, kind)| (text.len(), *kind))
}

/// A set of kinds; `EPSILON` says that the rule may end there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Set(u64);

const EPSILON: u64 = 1 << 63;

impl Set {
    pub(crate) fn of(kind: Kind) -> Self {
        Self(1 << kind)
    }

    pub(crate) fn epsilon() -> Self {
        Self(EPSILON)
    }

    pub(crate) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind) != 0
    }

    pub(crate) fn has_epsilon(self) -> bool {
        self.0 & EPSILON != 0
    }

    pub(crate) fn without_epsilon(self) -> Self {
        Self(self.0 & !EPSILON)
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn kinds(self) -> impl Iterator<Item = Kind> {
        (0..Kind::try_from(NAMES.len()).unwrap_or(0)).filter(move |kind| self.has(*kind))
    }

    /// As ANTLR lists what it expected: one bare, several in braces.
    pub(crate) fn display(self) -> String {
        let names: Vec<&str> = self.kinds().map(name).collect();
        match names.as_slice() {
            [one] => (*one).to_owned(),
            _ => format!("{{{}}}", names.join(", ")),
        }
    }
}
