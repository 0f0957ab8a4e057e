//! Properties of RPC methods by path.

use std::{collections::HashMap, sync::LazyLock};

use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodDescriptorProto, method_options::IdempotencyLevel};

use crate::FILE_DESCRIPTOR_SET;

/// An RPC method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its service, with the package: `bodega.cart.v1.CartService`.
    pub service: String,
    /// Whether a call with an unknown result may be retried.
    pub idempotency: Idempotency,
    /// Whether the client sends a stream of messages.
    pub client_streaming: bool,
    /// Whether the server sends a stream of messages.
    pub server_streaming: bool,
}

/// The `idempotency_level` of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// A second call may have a further effect.
    Unknown,
    /// A call changes nothing.
    NoSideEffects,
    /// A second call has no further effect and returns an equivalent response, even if it arrives late.
    Idempotent,
}

impl Idempotency {
    /// Whether a call with an unknown result may be retried.
    pub fn may_retry(self) -> bool {
        self != Self::Unknown
    }
}

impl From<IdempotencyLevel> for Idempotency {
    fn from(level: IdempotencyLevel) -> Self {
        match level {
            IdempotencyLevel::IdempotencyUnknown => Self::Unknown,
            IdempotencyLevel::NoSideEffects => Self::NoSideEffects,
            IdempotencyLevel::Idempotent => Self::Idempotent,
        }
    }
}

/// Returns the method at a path such as `/bodega.cart.v1.CartService/GetCart`, or `None` if there is none.
pub fn method(path: &str) -> Option<&'static Method> {
    METHODS.get(path)
}

static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    // Decoding cannot fail, because the set is encoded at build time; a test checks it.
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    let mut methods = HashMap::new();
    for file in &set.file {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            let entries = service
                .method
                .iter()
                .map(|method| (format!("/{name}/{}", method.name()), Method::new(name.clone(), method)));
            methods.extend(entries);
        }
    }
    methods
});

impl Method {
    fn new(service: String, method: &MethodDescriptorProto) -> Self {
        let level = method.options.as_ref().map(prost_types::MethodOptions::idempotency_level);
        Self {
            service,
            idempotency: level.unwrap_or_default().into(),
            client_streaming: method.client_streaming(),
            server_streaming: method.server_streaming(),
        }
    }
}
