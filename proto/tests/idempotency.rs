//! Which methods may be called again when nobody knows what became of a call.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;

use bodega_proto::{FILE_DESCRIPTOR_SET, Idempotency, method};
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// What each method of the contract may do when it is called again, by its name.
fn methods() -> BTreeMap<String, Idempotency> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let paths = set.file.iter().flat_map(|file| {
        file.service.iter().flat_map(|service| {
            let of = format!("{}.{}", file.package(), service.name());
            service
                .method
                .iter()
                .map(move |method| (method.name().to_owned(), format!("/{of}/{}", method.name())))
        })
    });
    let methods: BTreeMap<_, _> = paths
        .map(|(name, path)| (name, method(&path).unwrap_or_else(|| panic!("{path}")).idempotency))
        .collect();
    assert!(methods.len() > 50, "{methods:?}");
    methods
}

fn named(of: Idempotency) -> Vec<String> {
    methods().into_iter().filter(|(_, idempotency)| *idempotency == of).map(|(name, _)| name).collect()
}

#[test]
fn what_only_looks_has_no_side_effects() {
    for (name, idempotency) in methods() {
        let looks =
            ["Get", "List", "Find", "Check", "Watch", "BatchGet"].iter().any(|verb| name.starts_with(verb));
        assert_eq!(looks, idempotency == Idempotency::NoSideEffects, "{name} is {idempotency:?}");
    }
}

/// Each of these is told apart by an id that the caller gives it, or finds what an earlier call has left.
#[test]
fn what_may_be_done_again_is_chosen_with_care() {
    assert_eq!(
        named(Idempotency::Idempotent),
        ["ClearOrdered", "MergeGuestCart", "CreatePaymentIntent", "Release", "Reserve", "HandleWebhookEvent"]
    );
}

/// Some of these set what they are told to, and so do the same twice. But a call whose answer was lost may still be on
/// its way, and would undo what its caller has done since; or its repetition would be refused for what it has done.
#[test]
fn everything_else_is_done_once() {
    let others = [
        "AddItem",
        "AddProductImages",
        "CancelOrder",
        "ChangePassword",
        "ClearCart",
        "CreateCategory",
        "CreateProduct",
        "CreateTag",
        "DeleteCategory",
        "DeleteProduct",
        "DeleteTag",
        "DeleteUser",
        "EndSession",
        "Login",
        "Logout",
        "LogoutAll",
        "UpdateOrderStatus",
        "PlaceOrder",
        "Refresh",
        "Register",
        "RemoveAvatar",
        "RemoveItem",
        "RemoveProductImage",
        "SetAvatar",
        "SetItem",
        "UpdateCategory",
        "UpdateProduct",
        "UpdateProfile",
        "UpdateTag",
        "UpdateUser",
    ];
    assert_eq!(named(Idempotency::Unknown), others);
}

#[test]
fn a_method_is_known_by_its_path() {
    let upload = method("/bodega.identity.v1.IdentityService/SetAvatar").unwrap();
    assert!(upload.client_streaming && !upload.server_streaming);
    assert_eq!(upload.service, "bodega.identity.v1.IdentityService");
    assert!(method("/bodega.identity.v1.TokenService/WatchRevocations").unwrap().server_streaming);
    assert_eq!(method("/grpc.health.v1.Health/Check"), None);
}
