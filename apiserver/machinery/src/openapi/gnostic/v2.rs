//! The messages of openapi.v2 that documents of ours use, key by key.

use serde_json::Value;

use super::Kind::{Any, Each, Flag, In, Integer, Number, Pairs, Pick, Text};
use super::{Kind, Message};

pub(super) static DOCUMENT: Message = Message {
    fields: &[
        ("swagger", 1, Text),
        ("info", 2, Kind::Message(&INFO)),
        ("paths", 8, In(&[2], &Pairs(&Kind::Message(&PATH_ITEM)))),
        ("definitions", 9, In(&[1], &Pairs(&Kind::Message(&SCHEMA)))),
        ("parameters", 10, In(&[1], &Pairs(&Pick(parameter)))),
        (
            "security",
            12,
            Each(&In(&[1], &Pairs(&Kind::Message(&NO_SCOPES)))),
        ),
        (
            "securityDefinitions",
            13,
            In(&[1], &Pairs(&In(&[2], &Kind::Message(&API_KEY)))),
        ),
    ],
    extensions: 16,
};

/// StringArray: an API key has no scopes.
static NO_SCOPES: Message = Message {
    fields: &[],
    extensions: 0,
};

static INFO: Message = Message {
    fields: &[("title", 1, Text), ("version", 2, Text)],
    extensions: 7,
};

static API_KEY: Message = Message {
    fields: &[
        ("type", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("description", 4, Text),
    ],
    extensions: 5,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 2, Kind::Message(&OPERATION)),
        ("put", 3, Kind::Message(&OPERATION)),
        ("post", 4, Kind::Message(&OPERATION)),
        ("delete", 5, Kind::Message(&OPERATION)),
        ("options", 6, Kind::Message(&OPERATION)),
        ("head", 7, Kind::Message(&OPERATION)),
        ("patch", 8, Kind::Message(&OPERATION)),
        ("parameters", 9, Each(&Pick(parameters_item))),
    ],
    extensions: 10,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Each(&Text)),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Each(&Text)),
        ("consumes", 7, Each(&Text)),
        ("parameters", 8, Each(&Pick(parameters_item))),
        (
            "responses",
            9,
            In(&[1], &Pairs(&In(&[1], &Kind::Message(&RESPONSE)))),
        ),
        ("schemes", 10, Each(&Text)),
    ],
    extensions: 13,
};

static RESPONSE: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("schema", 2, In(&[1], &Kind::Message(&SCHEMA))),
    ],
    extensions: 5,
};

/// ParametersItem: parameter=1 or json_reference=2.
fn parameters_item(value: &Value) -> &'static Kind {
    static PARAMETER: Kind = In(&[1], &Pick(parameter));
    static REFERENCE: Kind = In(&[2], &Kind::Message(&JSON_REFERENCE));
    if value.get("$ref").is_some() {
        &REFERENCE
    } else {
        &PARAMETER
    }
}

/// Parameter: body_parameter=1, or non_body_parameter=2 with query=3 or path=4.
fn parameter(value: &Value) -> &'static Kind {
    static BODY: Kind = In(&[1], &Kind::Message(&BODY_PARAMETER));
    static QUERY: Kind = In(&[2, 3], &Kind::Message(&QUERY_PARAMETER));
    static PATH: Kind = In(&[2, 4], &Kind::Message(&PATH_PARAMETER));
    match value.get("in").and_then(Value::as_str) {
        Some("body") => &BODY,
        Some("path") => &PATH,
        _ => &QUERY,
    }
}

static JSON_REFERENCE: Message = Message {
    fields: &[("$ref", 1, Text)],
    extensions: 0,
};

static BODY_PARAMETER: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, Kind::Message(&SCHEMA)),
    ],
    extensions: 6,
};

static QUERY_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 6, Text),
        ("format", 7, Text),
        ("uniqueItems", 20, Flag),
    ],
    extensions: 23,
};

static PATH_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("format", 6, Text),
        ("uniqueItems", 19, Flag),
    ],
    extensions: 22,
};

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("title", 3, Text),
        ("description", 4, Text),
        ("default", 5, Any),
        ("multipleOf", 6, Number),
        ("maximum", 7, Number),
        ("exclusiveMaximum", 8, Flag),
        ("minimum", 9, Number),
        ("exclusiveMinimum", 10, Flag),
        ("maxLength", 11, Integer),
        ("minLength", 12, Integer),
        ("pattern", 13, Text),
        ("maxItems", 14, Integer),
        ("minItems", 15, Integer),
        ("uniqueItems", 16, Flag),
        ("maxProperties", 17, Integer),
        ("minProperties", 18, Integer),
        ("required", 19, Each(&Text)),
        ("enum", 20, Each(&Any)),
        ("additionalProperties", 21, Pick(additional)),
        ("type", 22, In(&[1], &Text)),
        ("items", 23, In(&[1], &Kind::Message(&SCHEMA))),
        ("allOf", 24, Each(&Kind::Message(&SCHEMA))),
        ("properties", 25, In(&[1], &Pairs(&Kind::Message(&SCHEMA)))),
        ("discriminator", 26, Text),
        ("readOnly", 27, Flag),
        ("example", 30, Any),
    ],
    extensions: 31,
};

/// AdditionalPropertiesItem: schema=1 or boolean=2.
fn additional(value: &Value) -> &'static Kind {
    static SAYS_WHETHER: Kind = In(&[2], &Flag);
    static IS_SCHEMA: Kind = In(&[1], &Kind::Message(&SCHEMA));
    if value.is_boolean() {
        &SAYS_WHETHER
    } else {
        &IS_SCHEMA
    }
}
