//! Signatures created and verified with Stripe's official SDK for Python (16.1.0).
//!
//! `WebhookSignature.generate_signature_header(payload, secret, timestamp)` created the headers, some of them combined
//! from two; `WebhookSignature.verify_header(payload, header, secret, tolerance=None)` determined whether they are valid.

/// The time of the signatures, in seconds since 1970.
pub(super) const NOW: i64 = 1_790_000_000;
/// The secret of the endpoint.
pub(super) const SECRET: &str = "whsec_of_the_tests";
/// The secret of another endpoint.
pub(super) const OTHER_SECRET: &str = "whsec_of_another_endpoint";

/// A header, and whether the SDK accepts it.
pub(super) struct Vector {
    pub name: &'static str,
    pub payload: &'static str,
    pub header: &'static str,
    pub is_valid: bool,
}

const PAYLOAD: &str = r#"{"id":"evt_1","type":"payment_intent.succeeded"}"#;

pub(super) const VECTORS: &[Vector] = &[
    Vector {
        name: "unchanged",
        payload: PAYLOAD,
        header: "t=1790000000,v1=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951",
        is_valid: true,
    },
    Vector {
        name: "non-ASCII body",
        payload: r#"{"id":"evt_1","note":"Größe 42 – ¥500 ☕"}"#,
        header: "t=1790000000,v1=43315ed4703a588098c7887847df52b75bda3d6be719549819c59366a91f97f2",
        is_valid: true,
    },
    Vector {
        name: "body with whitespace",
        payload: "{\n  \"id\" : \"evt_1\"\n}\n",
        header: "t=1790000000,v1=5213dc8cf3291139f12e8d06e5893070da3050e89025c57c6be75d04cc68fb72",
        is_valid: true,
    },
    Vector {
        name: "empty body",
        payload: "",
        header: "t=1790000000,v1=4a5b4e57107c16281a54f3bf69f13d684277737f8f198fe97e99e14a7cad90fb",
        is_valid: true,
    },
    Vector {
        name: "two secrets, own first",
        payload: PAYLOAD,
        header: "t=1790000000,v1=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951,v1=43d4649eb471abfee4828edf8ba6102c9422dbf81185bf547b3e09659ab3fb36",
        is_valid: true,
    },
    Vector {
        name: "two secrets, own last",
        payload: PAYLOAD,
        header: "t=1790000000,v1=43d4649eb471abfee4828edf8ba6102c9422dbf81185bf547b3e09659ab3fb36,v1=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951",
        is_valid: true,
    },
    Vector {
        name: "with v0",
        payload: PAYLOAD,
        header: "t=1790000000,v1=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951,v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
        is_valid: true,
    },
    Vector {
        name: "with v2",
        payload: PAYLOAD,
        header: "t=1790000000,v1=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951,v2=AbC-123",
        is_valid: true,
    },
    Vector {
        name: "reversed order",
        payload: PAYLOAD,
        header: "v1=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951,t=1790000000",
        is_valid: true,
    },
    Vector {
        name: "another secret",
        payload: PAYLOAD,
        header: "t=1790000000,v1=43d4649eb471abfee4828edf8ba6102c9422dbf81185bf547b3e09659ab3fb36",
        is_valid: false,
    },
    Vector {
        name: "another body",
        payload: PAYLOAD,
        header: "t=1790000000,v1=7a4ef6b742e30803948c1fa46db95613a1f83ec2b93b627059e7818d1ad13d2d",
        is_valid: false,
    },
    Vector {
        name: "another time",
        payload: PAYLOAD,
        header: "t=1790000000,v1=3679b7e545d6ef0d9ce7b8e5548ce0cd6c3ae81c9ed45546b6cc4bf7398b9cfb",
        is_valid: false,
    },
    Vector {
        name: "only v0",
        payload: PAYLOAD,
        header: "t=1790000000,v0=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951",
        is_valid: false,
    },
    Vector { name: "no signature", payload: PAYLOAD, header: "t=1790000000", is_valid: false },
    Vector {
        name: "no time",
        payload: PAYLOAD,
        header: "v1=87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951",
        is_valid: false,
    },
    Vector {
        name: "malformed header",
        payload: PAYLOAD,
        header: "87a93a044d197ecd962a273ec7a0bb10a71c9dad3d50b48bab0daadfd70d7951",
        is_valid: false,
    },
];
