//! Profiles, and the management of users by admins.

use bodega_proto::identity::v1::{
    Address, ChangePasswordRequest, ChangePasswordResponse, DeleteUserRequest, DeleteUserResponse,
    GetUserRequest, GetUserResponse, ListUsersRequest, ListUsersResponse, Role, UpdateProfileRequest,
    UpdateProfileResponse, UpdateUserRequest, UpdateUserResponse, User,
};
use bodega_runtime::status;
use http::Method;
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use crate::{
    fake_service::Calls,
    test_app::{SendRequest as _, TestApp, TestResponse},
};

fn ada() -> User {
    User {
        id: Uuid::nil().to_string(),
        name: "Ada".to_owned(),
        username: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        role: Role::Admin.into(),
        avatar_url: "https://images.example/ada".to_owned(),
        disabled: true,
        addresses: vec![Address { city: "London".to_owned(), is_default: true, ..Address::default() }],
        ..User::default()
    }
}

fn updates(gateway: &TestApp) -> Calls<UpdateProfileRequest> {
    gateway.identity.service.on("UpdateProfile", |_: UpdateProfileRequest| {
        Ok(UpdateProfileResponse { user: Some(ada()), ended_session_ids: Vec::new() })
    })
}

async fn send(
    gateway: &TestApp,
    method: Method,
    path: &str,
    token: String,
    body: serde_json::Value,
) -> TestResponse {
    gateway.request(method, path).json(&body).bearer_auth(token).fetch().await
}

#[tokio::test]
async fn patch_changes_only_provided_fields_of_the_profile() {
    let gateway = TestApp::start().await;
    let calls = updates(&gateway);
    let patch =
        async |body| send(&gateway, Method::PATCH, "/api/users/me", gateway.identity.user(), body).await;

    assert_eq!(patch(json!({})).await.status, 200);
    assert_eq!(calls.last(), UpdateProfileRequest::default());

    let response = patch(json!({"name": "Ada", "username": null, "addresses": []})).await;
    let request = calls.last();
    assert_eq!((request.name.as_deref(), request.username.as_deref()), (Some("Ada"), Some("")));
    assert_eq!((request.email, request.addresses.unwrap().addresses), (None, vec![]));
    let profile = response.json();
    assert_eq!(profile["role"], "admin");
    assert_eq!(profile["avatarUrl"], "https://images.example/ada");
    assert_eq!(profile["addresses"][0]["city"], "London");
    assert_eq!(profile["addresses"][0]["isDefault"], true);
    assert!(profile.get("disabled").is_none(), "only admins see it");

    for (body, field) in [
        (json!({"name": null}), "name"),
        (json!({"role": "admin"}), "role"),
        (json!({"addresses": [{"name": "Ada"}]}), "addresses[0].line1"),
    ] {
        assert_eq!(patch(body).await.rejected_field(422, "invalid_field"), field);
    }
}

#[tokio::test]
async fn put_replaces_the_whole_profile() {
    let gateway = TestApp::start().await;
    let calls = updates(&gateway);
    let put = async |body| send(&gateway, Method::PUT, "/api/users/me", gateway.identity.user(), body).await;

    assert_eq!(put(json!({"name": "Ada", "email": "ada@example.com"})).await.status, 200);
    let request = calls.last();
    assert_eq!((request.name.as_deref(), request.email.as_deref()), (Some("Ada"), Some("ada@example.com")));
    assert_eq!((request.username.as_deref(), request.addresses.unwrap().addresses), (Some(""), vec![]));

    let address =
        json!({"name": "Ada", "line1": "1 Road", "city": "Rome", "postalCode": "00100", "country": "IT"});
    put(json!({"name": "Ada", "email": "ada@example.com", "username": "ada", "addresses": [address]})).await;
    let address = calls.last().addresses.unwrap().addresses.remove(0);
    assert_eq!((address.postal_code.as_str(), address.country.as_str()), ("00100", "IT"));

    assert_eq!(put(json!({"name": "Ada"})).await.rejected_field(422, "invalid_field"), "email");
}

#[tokio::test]
async fn names_a_rejected_nested_field_in_camel_case() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on(
        "UpdateProfile",
        |_: UpdateProfileRequest| -> Result<UpdateProfileResponse, _> {
            let message = "must have at most 20 characters".to_owned();
            let field = "addresses[0].postal_code";
            Err(status::rejected_field(Code::InvalidArgument, "invalid_field", field, message))
        },
    );
    let response = send(&gateway, Method::PATCH, "/api/users/me", gateway.identity.user(), json!({})).await;
    assert_eq!(response.rejected_field(422, "invalid_field"), "addresses[0].postalCode");
}

#[tokio::test]
async fn a_password_change_ends_the_other_sessions() {
    let gateway = TestApp::start().await;
    let other = Uuid::now_v7();
    let calls = gateway.identity.service.on("ChangePassword", move |_: ChangePasswordRequest| {
        Ok(ChangePasswordResponse { ended_session_ids: vec![other.to_string()] })
    });
    let body = json!({"currentPassword": "old", "newPassword": "new"});
    let response =
        send(&gateway, Method::POST, "/api/users/me/password", gateway.identity.user(), body).await;
    assert_eq!(response.status, 204);
    assert_eq!((calls.last().current_password.as_str(), calls.last().new_password.as_str()), ("old", "new"));
    let token = gateway.identity.token(|claims| claims.sid = other);
    gateway.get("/api/users/me").bearer_auth(token).fetch().await.problem(401, "session_ended");
}

#[tokio::test]
async fn admins_search_users() {
    let gateway = TestApp::start().await;
    let calls = gateway.identity.service.on("ListUsers", |_: ListUsersRequest| {
        Ok(ListUsersResponse { users: vec![ada()], next_cursor: "more".to_owned() })
    });
    let list = async |query: &str| {
        gateway.get(&format!("/api/users{query}")).bearer_auth(gateway.identity.admin()).fetch().await
    };
    let page = list("?q=ada&role=admin&limit=5&cursor=here").await.json();
    assert_eq!((&page["nextCursor"], &page["items"][0]["disabled"]), (&json!("more"), &json!(true)));
    assert!(page["items"][0].get("addresses").is_none(), "only the user sees them");
    let request = calls.last();
    assert_eq!((request.q.as_str(), request.role(), request.limit), ("ada", Role::Admin, 5));
    assert_eq!(request.cursor, "here");

    list("").await;
    assert_eq!(calls.last(), ListUsersRequest::default());
    assert_eq!(list("?role=owner").await.rejected_field(400, "malformed_request"), "role");
}

#[tokio::test]
async fn admins_view_change_and_delete_users() {
    let gateway = TestApp::start().await;
    let service = &gateway.identity.service;
    let id = Uuid::now_v7();
    let (disabled, deleted) = (Uuid::now_v7(), Uuid::now_v7());
    let path = format!("/api/users/{id}");
    let admin = || gateway.identity.admin();

    service.on("GetUser", |_: GetUserRequest| Ok(GetUserResponse { user: Some(ada()) }));
    let user = gateway.get(&path).bearer_auth(admin()).fetch().await.json();
    assert_eq!((&user["name"], &user["disabled"]), (&json!("Ada"), &json!(true)));

    let calls = service.on("UpdateUser", move |_: UpdateUserRequest| {
        Ok(UpdateUserResponse { user: Some(ada()), ended_session_ids: vec![disabled.to_string()] })
    });
    let response =
        send(&gateway, Method::PATCH, &path, admin(), json!({"role": "user", "disabled": true})).await;
    assert_eq!(response.status, 200);
    assert_eq!((calls.last().role(), calls.last().disabled), (Role::User, Some(true)));
    send(&gateway, Method::PATCH, &path, admin(), json!({"disabled": false})).await;
    assert_eq!((calls.last().role(), calls.last().disabled), (Role::Unspecified, Some(false)));
    let response = send(&gateway, Method::PATCH, &path, admin(), json!({"role": "owner"})).await;
    assert_eq!(response.rejected_field(422, "invalid_field"), "role");

    let calls = service.on("DeleteUser", move |_: DeleteUserRequest| {
        Ok(DeleteUserResponse { ended_session_ids: vec![deleted.to_string()] })
    });
    let response = gateway.request(Method::DELETE, &path).bearer_auth(admin()).fetch().await;
    assert_eq!((response.status, calls.last().id), (204, id.to_string()));

    for session in [disabled, deleted] {
        let token = gateway.identity.token(|claims| claims.sid = session);
        gateway.get("/api/users/me").bearer_auth(token).fetch().await.problem(401, "session_ended");
    }
}

#[tokio::test]
async fn rejects_deleting_the_last_admin() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("DeleteUser", |_: DeleteUserRequest| -> Result<DeleteUserResponse, _> {
        Err(status::rejected(Code::FailedPrecondition, "last_admin", "the last admin cannot be removed"))
    });
    let path = format!("/api/users/{}", Uuid::now_v7());
    let request = gateway.request(Method::DELETE, &path).bearer_auth(gateway.identity.admin());
    request.fetch().await.problem(409, "last_admin");
}
