//! What the contract says of its methods, for whoever calls them without knowing which.

use std::{collections::HashMap, sync::LazyLock};

use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodDescriptorProto, method_options::IdempotencyLevel};

use crate::FILE_DESCRIPTOR_SET;

/// What the contract says of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// The service it belongs to, with its package: `bodega.cart.v1.CartService`.
    pub service: String,
    /// Whether it may be called again when nobody knows what became of the first call.
    pub idempotency: Idempotency,
    /// Whether the caller sends any number of messages.
    pub client_streaming: bool,
    /// Whether it answers with any number of messages.
    pub server_streaming: bool,
}

/// What calling a method twice does: its `idempotency_level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Perhaps more than calling it once.
    Unknown,
    /// Nothing, as calling it once does nothing.
    NoSideEffects,
    /// What calling it once does, with as good an answer, however late one of the calls may come.
    Idempotent,
}

impl Idempotency {
    /// Whether a call whose fate is not known may be made again.
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

/// The method that is called at `path`, as in `/bodega.cart.v1.CartService/GetCart`; `None` where there is none of ours.
pub fn method(path: &str) -> Option<&'static Method> {
    METHODS.get(path)
}

static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    // What was encoded when this was built can be decoded; a test knows methods by their paths.
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    let mut methods = HashMap::new();
    for file in &set.file {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            let described = service
                .method
                .iter()
                .map(|method| (format!("/{name}/{}", method.name()), Method::new(name.clone(), method)));
            methods.extend(described);
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
