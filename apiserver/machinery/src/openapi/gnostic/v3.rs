//! The messages of openapi.v3 that documents of ours use, key by key.

use serde_json::Value;

use super::Kind::{Any, Default, Each, Flag, In, Integer, Number, Pairs, Pick, Text};
use super::{Kind, Message};

pub(super) static DOCUMENT: Message = Message {
    fields: &[
        ("openapi", 1, Text),
        ("info", 2, Kind::Message(&INFO)),
        ("paths", 4, In(&[1], &Pairs(&Kind::Message(&PATH_ITEM)))),
        ("components", 5, Kind::Message(&COMPONENTS)),
    ],
    extensions: 9,
};

static INFO: Message = Message {
    fields: &[("title", 1, Text), ("version", 6, Text)],
    extensions: 7,
};

static COMPONENTS: Message = Message {
    fields: &[
        ("schemas", 1, In(&[1], &Pairs(&Pick(schema_or_reference)))),
        (
            "securitySchemes",
            7,
            In(&[1], &Pairs(&In(&[1], &Kind::Message(&SECURITY_SCHEME)))),
        ),
    ],
    extensions: 10,
};

static SECURITY_SCHEME: Message = Message {
    fields: &[
        ("type", 1, Text),
        ("description", 2, Text),
        ("name", 3, Text),
        ("in", 4, Text),
    ],
    extensions: 9,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 4, Kind::Message(&OPERATION)),
        ("put", 5, Kind::Message(&OPERATION)),
        ("post", 6, Kind::Message(&OPERATION)),
        ("delete", 7, Kind::Message(&OPERATION)),
        ("options", 8, Kind::Message(&OPERATION)),
        ("head", 9, Kind::Message(&OPERATION)),
        ("patch", 10, Kind::Message(&OPERATION)),
        (
            "parameters",
            13,
            Each(&In(&[1], &Kind::Message(&PARAMETER))),
        ),
    ],
    extensions: 14,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Each(&Text)),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("parameters", 6, Each(&In(&[1], &Kind::Message(&PARAMETER)))),
        ("requestBody", 7, In(&[1], &Kind::Message(&REQUEST_BODY))),
        (
            "responses",
            8,
            In(&[2], &Pairs(&In(&[1], &Kind::Message(&RESPONSE)))),
        ),
    ],
    extensions: 13,
};

static PARAMETER: Message = Message {
    fields: &[
        ("name", 1, Text),
        ("in", 2, Text),
        ("description", 3, Text),
        ("required", 4, Flag),
        ("schema", 10, Pick(schema_or_reference)),
    ],
    extensions: 14,
};

static REQUEST_BODY: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("content", 2, In(&[1], &Pairs(&Kind::Message(&MEDIA_TYPE)))),
        ("required", 3, Flag),
    ],
    extensions: 4,
};

static RESPONSE: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("content", 3, In(&[1], &Pairs(&Kind::Message(&MEDIA_TYPE)))),
    ],
    extensions: 5,
};

static MEDIA_TYPE: Message = Message {
    fields: &[("schema", 1, Pick(schema_or_reference))],
    extensions: 5,
};

/// SchemaOrReference: schema=1 or reference=2.
fn schema_or_reference(value: &Value) -> &'static Kind {
    static IS_SCHEMA: Kind = In(&[1], &Kind::Message(&SCHEMA));
    static IS_REFERENCE: Kind = In(&[2], &Kind::Message(&REFERENCE));
    if value.get("$ref").is_some_and(Value::is_string) {
        &IS_REFERENCE
    } else {
        &IS_SCHEMA
    }
}

static REFERENCE: Message = Message {
    fields: &[("$ref", 1, Text)],
    extensions: 0,
};

static SCHEMA: Message = Message {
    fields: &[
        ("nullable", 1, Flag),
        ("readOnly", 3, Flag),
        ("writeOnly", 4, Flag),
        ("example", 7, Any),
        ("deprecated", 8, Flag),
        ("title", 9, Text),
        ("multipleOf", 10, Number),
        ("maximum", 11, Number),
        ("exclusiveMaximum", 12, Flag),
        ("minimum", 13, Number),
        ("exclusiveMinimum", 14, Flag),
        ("maxLength", 15, Integer),
        ("minLength", 16, Integer),
        ("pattern", 17, Text),
        ("maxItems", 18, Integer),
        ("minItems", 19, Integer),
        ("uniqueItems", 20, Flag),
        ("maxProperties", 21, Integer),
        ("minProperties", 22, Integer),
        ("required", 23, Each(&Text)),
        ("enum", 24, Each(&Any)),
        ("type", 25, Text),
        ("allOf", 26, Each(&Pick(schema_or_reference))),
        ("oneOf", 27, Each(&Pick(schema_or_reference))),
        ("anyOf", 28, Each(&Pick(schema_or_reference))),
        ("not", 29, Kind::Message(&SCHEMA)),
        ("items", 30, In(&[1], &Pick(schema_or_reference))),
        (
            "properties",
            31,
            In(&[1], &Pairs(&Pick(schema_or_reference))),
        ),
        ("additionalProperties", 32, Pick(additional)),
        ("default", 33, Default),
        ("description", 34, Text),
        ("format", 35, Text),
    ],
    extensions: 36,
};

/// AdditionalPropertiesItem: schema_or_reference=1 or boolean=2.
fn additional(value: &Value) -> &'static Kind {
    static SAYS_WHETHER: Kind = In(&[2], &Flag);
    static IS_SCHEMA: Kind = In(&[1], &Pick(schema_or_reference));
    if value.is_boolean() {
        &SAYS_WHETHER
    } else {
        &IS_SCHEMA
    }
}
