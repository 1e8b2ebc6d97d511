//! The forms that documents are offered in, by the names that clients have for them.

/// What may be asked for, in the order of preference.
pub(super) struct Offer {
    pub(super) media: &'static [(&'static str, &'static str)],
    pub(super) protobuf: &'static str,
}

pub(super) const V2: Offer = Offer {
    media: &[
        ("application", "json"),
        (
            "application",
            "com.github.proto-openapi.spec.v2@v1.0+protobuf",
        ),
        (
            "application",
            "com.github.proto-openapi.spec.v2.v1.0+protobuf",
        ),
    ],
    protobuf: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
};
pub(super) const V3: Offer = Offer {
    media: &[
        ("application", "json"),
        (
            "application",
            "com.github.proto-openapi.spec.v3.v1.0+protobuf",
        ),
        (
            "application",
            "com.github.proto-openapi.spec.v3@v1.0+protobuf",
        ),
    ],
    protobuf: "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
};
