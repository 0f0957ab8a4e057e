//! Which methods may be retried when the result of a call is unknown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use bodega_proto::{FILE_DESCRIPTOR_SET, Idempotency, method};
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// The idempotency of each method, by name.
fn methods() -> BTreeMap<String, Idempotency> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let paths = set.file.iter().flat_map(|file| {
        file.service.iter().flat_map(|service| {
            let service_name = format!("{}.{}", file.package(), service.name());
            service
                .method
                .iter()
                .map(move |method| (method.name().to_owned(), format!("/{service_name}/{}", method.name())))
        })
    });
    let methods: BTreeMap<_, _> = paths
        .map(|(name, path)| (name, method(&path).unwrap_or_else(|| panic!("{path}")).idempotency))
        .collect();
    assert!(methods.len() > 50, "{methods:?}");
    methods
}

fn names(level: Idempotency) -> Vec<String> {
    methods().into_iter().filter(|(_, idempotency)| *idempotency == level).map(|(name, _)| name).collect()
}

#[test]
fn reading_methods_have_no_side_effects() {
    for (name, idempotency) in methods() {
        let reads =
            ["Get", "List", "Find", "Check", "Watch", "BatchGet"].iter().any(|verb| name.starts_with(verb));
        assert_eq!(reads, idempotency == Idempotency::NoSideEffects, "{name} is {idempotency:?}");
    }
}

/// Each of these recognizes a retry by an id of the caller, or by the effect of the earlier call.
#[test]
fn idempotent_methods_are_listed_here() {
    assert_eq!(
        names(Idempotency::Idempotent),
        [
            "CancelOrder",
            "ClaimOrder",
            "ClearOrdered",
            "CreatePaymentIntent",
            "CreateRefund",
            "DeleteOrderContact",
            "ExchangeApiKey",
            "HandleWebhookEvent",
            "MergeGuestCart",
            "Release",
            "Reserve",
            "ReturnUnits"
        ]
    );
}

/// Some of these set a value and so have the same effect twice. But a call whose response was lost may arrive late and
/// undo a later change of the same caller, and a retry may be rejected because of the effect of the first call.
#[test]
fn all_other_methods_are_not_retried() {
    let others = [
        "AddItem",
        "AddProductImages",
        "ChangePassword",
        "ClearCart",
        "CompleteLogin",
        "ConfirmSecondFactor",
        "CreateApiKey",
        "CreateCategory",
        "CreateDiscount",
        "CreateProduct",
        "CreateShipment",
        "CreateShippingZone",
        "CreateTag",
        "DeleteCategory",
        "DeleteDiscount",
        "DeleteProduct",
        "DeleteShippingZone",
        "DeleteTag",
        "DeleteUser",
        "DisableSecondFactor",
        "EndSession",
        "EnrollSecondFactor",
        "Login",
        "Logout",
        "LogoutAll",
        "PlaceOrder",
        "PutVariants",
        "Refresh",
        "Register",
        "RemoveAvatar",
        "RemoveItem",
        "RemoveProductImage",
        "ReplaceDiscount",
        "ReplaceShippingZone",
        "ReplaceTaxRates",
        "RequestPasswordReset",
        "ResendMail",
        "ResendVerification",
        "ResetPassword",
        "ResolvePayment",
        "RevokeApiKey",
        "SendPasswordReset",
        "SetAvatar",
        "SetItem",
        "UndoEmailChange",
        "UpdateCategory",
        "UpdateOrderStatus",
        "UpdateProduct",
        "UpdateProfile",
        "UpdateSettings",
        "UpdateTag",
        "UpdateUser",
        "UpdateVariant",
        "VerifyEmail",
        "VerifySecondFactor",
    ];
    assert_eq!(names(Idempotency::Unknown), others);
}

#[test]
fn finds_a_method_by_its_path() {
    let upload = method("/bodega.identity.v1.IdentityService/SetAvatar").unwrap();
    assert!(upload.client_streaming && !upload.server_streaming);
    assert_eq!(upload.service, "bodega.identity.v1.IdentityService");
    assert!(method("/bodega.identity.v1.TokenService/WatchRevocations").unwrap().server_streaming);
    assert_eq!(method("/grpc.health.v1.Health/Check"), None);
}
