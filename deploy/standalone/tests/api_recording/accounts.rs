//! Registration, sessions, profiles and the management of users.

use serde_json::json;

use super::recorder::{Recorder, Role};
use crate::harness::{
    images::{file, png},
    store::{PASSWORD, Response},
    totp::Authenticator,
};
use reqwest::{Method, multipart::Form};

#[tokio::test]
async fn sessions() {
    let mut api = Recorder::start().await;
    let register =
        json!({"name": "Alan", "email": "Alan@shop.example", "username": "alan", "password": PASSWORD});
    api.send_json(Role::Anonymous, "POST", "/api/auth/register", register.clone()).await;
    api.send_json(Role::Anonymous, "POST", "/api/auth/register", register).await;
    let without_username = json!({"name": "Edith", "email": "edith@shop.example", "password": PASSWORD});
    api.send_json(Role::Guest, "POST", "/api/auth/register", without_username).await;
    api.send(Role::Guest, "GET", "/api/cart").await;

    for login in [
        json!({"email": "ada@shop.example", "password": PASSWORD}),
        json!({"username": "ada", "password": PASSWORD}),
        json!({"login": "ADA@shop.example", "password": PASSWORD}),
        json!({"login": "ada", "password": "not the password"}),
        json!({"login": "unknown", "password": PASSWORD}),
        json!({"login": "ada", "email": "ada@shop.example", "password": PASSWORD}),
        json!({"password": PASSWORD}),
    ] {
        api.send_json(Role::Anonymous, "POST", "/api/auth/login", login).await;
    }
    let refresh = json!({"refreshToken": api.client(Role::User).session()["refreshToken"]});
    api.send_json(Role::Anonymous, "POST", "/api/auth/refresh", refresh.clone()).await;
    api.send_json(Role::Anonymous, "POST", "/api/auth/refresh", refresh).await;

    api.send_json(Role::Anonymous, "POST", "/api/auth/refresh", json!({"refreshToken": "unknown"})).await;

    let user = api.store().guest().sign_in("ada").await;
    let list = user.request(Method::GET, "/api/auth/sessions").header("user-agent", "a browser");
    let sessions = api.record(Role::User, list).await;
    let other = sessions.items().iter().find(|session| session["current"] == false).unwrap()["id"].clone();
    let path = format!("/api/auth/sessions/{}", other.as_str().unwrap());
    api.send(Role::OtherUser, "DELETE", &path).await;
    for _ in 0..2 {
        let request = user.request(Method::DELETE, &path);
        api.record(Role::User, request).await;
    }
    let request = user.request(Method::POST, "/api/auth/logout");
    api.record(Role::User, request).await;
    let request = user.request(Method::GET, "/api/auth/sessions");
    api.record(Role::User, request).await;
    api.send(Role::OtherUser, "POST", "/api/auth/logout-all").await;
    api.send(Role::OtherUser, "GET", "/api/auth/sessions").await;
    api.send(Role::Admin, "GET", "/api/auth/sessions").await;
    let user = api.store().guest().sign_in("ada").await;
    api.replace_user(user);
    api.record_rejections(|path| path.starts_with("/api/auth"), "").await;
    api.assert_unchanged("sessions");
}

#[tokio::test]
async fn second_factors() {
    let mut api = Recorder::start().await;
    let password = json!({"currentPassword": PASSWORD});
    api.send(Role::User, "GET", "/api/auth/2fa").await;
    let code = |code: &str| json!({"code": code});
    for path in ["/api/auth/2fa", "/api/auth/2fa/confirm", "/api/auth/2fa/disable"] {
        api.send_json(Role::User, "POST", path, code("000000")).await;
    }
    let enrolled = api.send_json(Role::User, "POST", "/api/auth/2fa/enroll", password.clone()).await;
    let authenticator = Authenticator::new(enrolled.json["secret"].as_str().unwrap());
    let confirm = "/api/auth/2fa/confirm";
    let confirmed = api.send_json(Role::User, "POST", confirm, code(&authenticator.code(0))).await;
    let codes = confirmed.json["recoveryCodes"].as_array().unwrap().clone();
    let user = api.client(Role::Anonymous).signed_in(confirmed.json["session"].clone());
    api.replace_user(user);
    api.send_json(Role::User, "POST", confirm, code("000000")).await;
    api.send_json(Role::User, "POST", "/api/auth/2fa/enroll", password).await;

    let login = json!({"login": "ada", "password": PASSWORD});
    let rejected = api.send_json(Role::Anonymous, "POST", "/api/auth/login", login).await;
    let token = rejected.json["secondFactor"]["token"].clone();
    for code in ["000000", &authenticator.code(1), &authenticator.code(1)] {
        let body = json!({"token": token, "code": code});
        api.send_json(Role::Anonymous, "POST", "/api/auth/2fa", body).await;
    }
    api.send_json(Role::User, "POST", "/api/auth/2fa", json!({"code": codes[0]})).await;
    api.send(Role::User, "GET", "/api/auth/2fa").await;
    let disable = "/api/auth/2fa/disable";
    api.send_json(Role::User, "POST", disable, code("000000")).await;
    api.send_json(Role::User, "POST", disable, json!({"code": codes[1]})).await;
    api.assert_unchanged("second_factors");
}

#[tokio::test]
async fn api_keys() {
    let mut api = Recorder::start().await;
    let path = "/api/admin/api-keys";
    let key = json!({"name": "warehouse", "scopes": ["orders:write", "orders:read"]});
    let created = api.send_json(Role::Admin, "POST", path, key).await;
    api.send_json(Role::Admin, "POST", path, json!({"name": "all", "scopes": ["root"]})).await;
    api.send(Role::Admin, "GET", path).await;
    let key = format!("Bearer {}", created.json["key"].as_str().unwrap());
    let machine = api.client(Role::Anonymous).with("authorization", &key);
    for (method, path) in [("GET", "/api/admin/orders"), ("DELETE", "/api/tags/1"), ("GET", "/api/users/me")]
    {
        let request = machine.request(method.parse().unwrap(), path);
        api.record(Role::Anonymous, request).await;
    }
    let one = format!("{path}/{}", created.json["id"].as_str().unwrap());
    for _ in 0..2 {
        api.send(Role::Admin, "DELETE", &one).await;
    }
    let request = machine.request(Method::GET, "/api/admin/orders");
    api.record(Role::Anonymous, request).await;
    for number in 0..101 {
        let key = json!({"name": format!("key {number}"), "scopes": ["catalog:write"], "expiresInDays": 1});
        if number < 100 {
            api.client(Role::Admin).post(path, key).await.expect(201);
        } else {
            api.send_json(Role::Admin, "POST", path, key).await;
        }
    }
    api.record_rejections(|path| path.starts_with("/api/admin/api-keys"), "").await;
    api.assert_unchanged("api_keys");
}

#[tokio::test]
async fn profile() {
    let mut api = Recorder::start().await;
    let address = json!({"name": "Ada", "line1": "12 St James's Square", "line2": "", "city": "London", "region": "",
        "postalCode": "SW1Y 4JH", "country": "GB", "phone": "+44 20 7930 1000", "isDefault": true});
    for role in [Role::User, Role::Admin] {
        api.send(role, "GET", "/api/users/me").await;
    }
    for (method, body) in [
        ("PATCH", json!({"name": "Ada L."})),
        ("PATCH", json!({"addresses": [address]})),
        ("PATCH", json!({"username": "grace"})),
        ("PATCH", json!({"email": "grace@shop.example"})),
        ("PATCH", json!({})),
        ("PUT", json!({"name": "Ada Lovelace", "email": "ada@shop.example", "username": "lovelace"})),
        ("PUT", json!({"name": "Ada Lovelace", "email": "ada@shop.example"})),
        ("PUT", json!({"name": "Ada Lovelace", "email": "grace@shop.example"})),
    ] {
        api.send_json(Role::User, method, "/api/users/me", body).await;
    }
    for (current, new) in [
        ("not the password", "another good password"),
        (PASSWORD, "another good password"),
        (PASSWORD, PASSWORD),
    ] {
        let body = json!({"currentPassword": current, "newPassword": new});
        api.send_json(Role::User, "POST", "/api/users/me/password", body).await;
    }
    api.record_rejections(|path| path.starts_with("/api/users/me") && !path.ends_with("avatar"), "").await;
    api.assert_unchanged("profile");
}

#[tokio::test]
async fn users() {
    let mut api = Recorder::start().await;
    let user = format!("/api/users/{}", api.client(Role::User).id());
    let other = format!("/api/users/{}", api.client(Role::OtherUser).id());
    let admin = format!("/api/users/{}", api.client(Role::Admin).id());
    let first_page = api.send(Role::Admin, "GET", "/api/users?limit=2").await;
    let cursor = first_page.json["nextCursor"].as_str().unwrap().to_owned();
    for query in [
        &format!("limit=2&cursor={cursor}"),
        "q=ada",
        "role=admin",
        "role=none",
        "limit=0",
        "limit=x",
        "cursor=x",
    ] {
        api.send(Role::Admin, "GET", &format!("/api/users?{query}")).await;
    }
    api.send(Role::Admin, "GET", &user).await;
    for body in [
        json!({"role": "admin"}),
        json!({"disabled": true}),
        json!({"role": "user", "disabled": false}),
        json!({}),
    ] {
        api.send_json(Role::Admin, "PATCH", &user, body).await;
    }
    api.send_json(Role::Admin, "PATCH", &admin, json!({"role": "user"})).await;
    api.send(Role::Admin, "DELETE", &admin).await;
    api.send_json(Role::Admin, "PATCH", &other, json!({"disabled": true})).await;
    api.send(Role::OtherUser, "GET", "/api/users/me").await;
    let login = json!({"login": "grace", "password": PASSWORD});
    api.send_json(Role::Anonymous, "POST", "/api/auth/login", login).await;
    for _ in 0..2 {
        api.send(Role::Admin, "DELETE", &other).await;
    }
    api.send(Role::Admin, "GET", &other).await;
    let user = api.store().guest().sign_in("ada").await;
    for (method, path) in [("GET", "/api/users"), ("DELETE", &admin)] {
        let request = user.request(method.parse().unwrap(), path);
        api.record(Role::User, request).await;
    }
    api.replace_user(user);
    api.record_rejections(|path| path.starts_with("/api/admin/mails"), "").await;
    api.record_rejections(|path| path.starts_with("/api/users") && !path.starts_with("/api/users/me"), "")
        .await;
    api.assert_unchanged("users");
}

async fn upload(api: &mut Recorder, role: Role, method: &str, path: &str, form: Form) -> Response {
    let request = api.request(role, method, path).multipart(form);
    api.record(role, request).await
}

#[tokio::test]
async fn images() {
    let mut api = Recorder::start().await;
    let png = png();
    let form = |field: &'static str| Form::new().part(field, file(&png));
    let (images, avatar) = ("/api/products/2/images", "/api/users/me/avatar");
    let product =
        upload(&mut api, Role::Admin, "POST", images, form("images").part("images", file(&png))).await;
    let image = product.json["images"][0].clone();
    let profile = upload(&mut api, Role::User, "PUT", avatar, form("image")).await;
    for url in [&image["url"], &image["thumbnailUrl"], &profile.json["avatarUrl"]] {
        api.send_file(url.as_str().unwrap()).await;
    }
    for (role, method, path, field) in
        [(Role::Admin, "POST", images, "images"), (Role::User, "PUT", avatar, "image")]
    {
        for form in [
            form("other"),
            Form::new(),
            Form::new().text(field, "no image"),
            Form::new().part(field, file(&png[..png.len() / 2])),
            form(field).text("unknown", "x"),
        ] {
            upload(&mut api, role, method, path, form).await;
        }
        api.send_json(role, method, path, json!({})).await;
        let request = api.request(role, method, path).header("content-type", "multipart/form-data").body("x");
        api.record(role, request).await;
        for role in [Role::Anonymous, Role::InvalidToken] {
            upload(&mut api, role, method, path, form(field)).await;
        }
        let large = file(&vec![0; 60 * 1024 * 1024]);
        upload(&mut api, role, method, path, Form::new().part(field, large)).await;
    }
    upload(&mut api, Role::User, "POST", images, form("images")).await;
    for id in ["999", "x"] {
        upload(&mut api, Role::Admin, "POST", &format!("/api/products/{id}/images"), form("images")).await;
    }
    let of_another_product = format!("/api/products/1/images/{}", image["id"]);
    let image = format!("{images}/{}", image["id"]);
    api.send(Role::Admin, "DELETE", &of_another_product).await;
    for role in [Role::Anonymous, Role::InvalidToken, Role::User, Role::Admin, Role::Admin] {
        api.send(role, "DELETE", &image).await;
    }
    for id in ["999", "x"] {
        api.send(Role::Admin, "DELETE", &format!("{images}/{id}")).await;
        api.send(Role::Admin, "DELETE", &format!("/api/products/{id}/images/1")).await;
    }
    for role in [Role::Anonymous, Role::InvalidToken, Role::User, Role::User] {
        api.send(role, "DELETE", avatar).await;
    }
    api.send(Role::Anonymous, "GET", "/media/unknown").await;
    api.assert_unchanged("images");
}

#[tokio::test]
async fn audit() {
    let mut api = Recorder::start().await;
    for query in ["?action=unknown", "?service=cart", "?actor=x", "?cursor=x", "?limit=x"] {
        api.send(Role::Admin, "GET", &format!("/api/admin/audit{query}")).await;
    }
    for role in [Role::Anonymous, Role::User, Role::InvalidToken] {
        api.send(role, "GET", "/api/admin/audit").await;
    }
    api.assert_unchanged("audit");
}
