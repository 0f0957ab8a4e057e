//! One client cannot keep others out: concurrency permits, bodies that do not arrive, work of clients that disconnect, uploads
//! and connections. The attacker has another address than the client.

use std::{future::pending, time::Duration};

use bodega_proto::{
    cart::v1::{AddItemRequest, AddItemResponse},
    catalog::v1::{
        CreateCategoryRequest, CreateCategoryResponse, ListCategoriesRequest, ListCategoriesResponse,
    },
    identity::v1::{
        GetUserRequest, GetUserResponse, LoginRequest, LoginResponse, RefreshRequest, RefreshResponse,
        SetAvatarRequest, SetAvatarResponse,
    },
};
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tonic::{Status, Streaming};

use crate::test_app::{SendRequest as _, TestApp, read_response};

const ATTACKER: &str = "127.0.0.66";
const OWNER: &str = "127.0.0.2";
/// Concurrency limit of each service in these tests.
const LIMIT: u32 = 2;
/// Requests wait for a permit, and none is rejected as overloaded, however busy the machine is.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);

async fn gateway() -> TestApp {
    TestApp::start_with(|settings, _| settings.max_requests = LIMIT).await
}

async fn wait_until(is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), waiting).await.expect("the condition is not met");
}

#[tokio::test]
async fn half_sent_bodies_occupy_no_permits() {
    let gateway = gateway().await;
    let calls = gateway.catalog.on("CreateCategory", |_: CreateCategoryRequest| {
        Err::<CreateCategoryResponse, _>(Status::not_found("reached"))
    });
    let head = "POST /api/categories HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
        content-length: 900\r\n\r\n{";
    let mut half_sent = Vec::new();
    for _ in 0..16 {
        let mut stream = gateway.connect_from(ATTACKER).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        half_sent.push(stream);
    }
    sleep(Duration::from_millis(200)).await;
    for _ in 0..4 {
        let request = gateway.client_from(OWNER).post(gateway.url("/api/categories"));
        let request = request.json(&json!({"name": "Cups"})).bearer_auth(gateway.identity.admin());
        request.fetch().await;
    }
    assert_eq!(calls.count(), 4);
    let late = read_response(&mut half_sent[0]).await;
    late.problem(408, "request_timeout");
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected_before_it_is_sent() {
    let gateway = gateway().await;
    for expect in ["", "expect: 100-continue\r\n"] {
        let mut stream = gateway.connect_from(OWNER).await;
        let head = format!(
            "POST /api/auth/login HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n{expect}\
            content-length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        read_response(&mut stream).await.problem(413, "too_large");
    }
}

#[tokio::test]
async fn a_flood_of_one_client_does_not_keep_others_from_a_permit() {
    let gateway = TestApp::start_with(|settings, _| {
        settings.max_requests = LIMIT;
        settings.request_timeout = LONG_TIMEOUT;
    })
    .await;
    let calls = gateway.catalog.on_slow("ListCategories", |_: ListCategoriesRequest| async {
        sleep(Duration::from_millis(50)).await;
        Ok(ListCategoriesResponse::default())
    });
    let attacker = gateway.client_from(ATTACKER);
    let flood = join_all((0..200).map(async |_| {
        loop {
            let _ = attacker.get(gateway.url("/api/categories")).send().await;
        }
    }));
    let owner = async {
        wait_until(|| calls.count() > 10).await;
        let client = gateway.client_from(OWNER);
        let mut before_own = Vec::new();
        for _ in 0..10 {
            let before = calls.count();
            let response = client.get(gateway.url("/api/categories")).fetch().await;
            assert_eq!(response.status, 200, "{response:?}");
            before_own.push(calls.count() - before);
        }
        assert!(before_own.iter().min() < Some(&50), "the flood is served first: {before_own:?}");
    };
    tokio::select! {
        () = owner => {}
        _ = flood => panic!("the flood ended"),
    }
}

#[tokio::test]
async fn the_work_of_a_client_that_disconnects_keeps_its_permit() {
    let gateway = gateway().await;
    let calls =
        gateway.cart.on_slow("AddItem", |_: AddItemRequest| pending::<Result<AddItemResponse, Status>>());
    let client = gateway.client_from(ATTACKER);
    let add = || client.post(gateway.url("/api/cart/add")).json(&json!({"productId": 1, "quantity": 1}));
    for expected in 1..=2 {
        let aborted = async {
            let _ = add().send().await;
        };
        tokio::select! {
            () = aborted => panic!("the cart does not respond"),
            () = wait_until(|| calls.count() == expected) => {}
        }
    }
    add().fetch().await.problem(503, "overloaded");
    assert_eq!(calls.count(), 2);
}

#[tokio::test]
async fn logins_do_not_keep_users_from_refreshing_and_other_requests() {
    let gateway = gateway().await;
    let logins = gateway
        .identity
        .service
        .on_slow("Login", |_: LoginRequest| pending::<Result<LoginResponse, Status>>());
    let refreshes = gateway
        .identity
        .service
        .on("Refresh", |_: RefreshRequest| Err::<RefreshResponse, _>(Status::not_found("reached")));
    let users = gateway
        .identity
        .service
        .on("GetUser", |_: GetUserRequest| Err::<GetUserResponse, _>(Status::not_found("reached")));
    let login = || {
        let body = json!({"login": "anna@example.com", "password": "a long password"});
        gateway.post("/api/auth/login", body).fetch()
    };
    let flood = join_all((0..10).map(|_| login()));
    let owner = async {
        wait_until(|| logins.count() == 2).await;
        let refresh = gateway.post("/api/auth/refresh", json!({"refreshToken": "token"}));
        assert_ne!(refresh.fetch().await.json()["code"], "overloaded");
        let admin = gateway.identity.admin();
        let id = "00000000-0000-0000-0000-000000000001";
        gateway.get(&format!("/api/users/{id}")).bearer_auth(admin).fetch().await;
        assert_eq!(gateway.get("/.well-known/jwks.json").fetch().await.status, 200);
        assert_eq!((refreshes.count(), users.count()), (1, 1));
    };
    tokio::select! {
        biased;
        () = owner => {}
        _ = flood => panic!("the logins ended"),
    }
}

#[tokio::test]
async fn slow_uploads_give_way_to_another_client() {
    let gateway = TestApp::start_with(|settings, _| {
        settings.max_requests = LIMIT;
        settings.upload_timeout = Duration::from_secs(60);
    })
    .await;
    gateway.identity.service.on_stream("SetAvatar", |parts: Streaming<SetAvatarRequest>| async {
        let _parts = parts;
        pending::<Result<SetAvatarResponse, Status>>().await
    });
    let head = format!(
        "PUT /api/users/me/avatar HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n\
        content-type: multipart/form-data; boundary=b\r\ncontent-length: 100000\r\n\r\n--b\r\n",
        gateway.identity.admin()
    );
    let mut slow = Vec::new();
    for _ in 0..LIMIT {
        let mut stream = gateway.connect_from(ATTACKER).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    sleep(Duration::from_millis(1_200)).await;
    let upload = gateway.client_from(OWNER).request(Method::PUT, gateway.url("/api/users/me/avatar"));
    let response = upload.bearer_auth(gateway.identity.admin()).fetch().await;
    assert_eq!(response.status, 415, "it was processed: {response:?}");
    read_response(&mut slow[0]).await.problem(503, "overloaded");
    let still_open = timeout(Duration::from_millis(200), read_response(&mut slow[1])).await;
    assert!(still_open.is_err(), "one of them was enough: {still_open:?}");
}

#[tokio::test]
async fn idle_connections_of_one_client_do_not_keep_others_from_connecting() {
    let gateway = TestApp::start_with(|settings, _| settings.max_connections = 4).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n";
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..4 {
        let mut stream = gateway.connect_from(ATTACKER).await;
        stream.write_all(request).await.unwrap();
        assert_eq!(read_response(&mut stream).await.status, 200);
        idle.push(stream);
    }
    let mut owner = Vec::new();
    for _ in 0..2 {
        let mut stream = gateway.connect_from(OWNER).await;
        stream.write_all(request).await.unwrap();
        assert_eq!(read_response(&mut stream).await.status, 200);
        owner.push(stream);
    }
    for stream in &mut owner {
        stream.write_all(request).await.unwrap();
        assert_eq!(read_response(stream).await.status, 200, "it is still open");
    }
}

#[tokio::test]
async fn an_account_with_many_addresses_has_one_share() {
    let gateway = TestApp::start_with(|settings, _| {
        settings.max_requests = 1;
        settings.request_timeout = LONG_TIMEOUT;
    })
    .await;
    let calls = gateway.catalog.on_slow("ListCategories", |_: ListCategoriesRequest| async {
        sleep(Duration::from_millis(20)).await;
        Ok(ListCategoriesResponse::default())
    });
    let list = async |client: &reqwest::Client, token: &str| {
        client.get(gateway.url("/api/categories")).bearer_auth(token).fetch().await.status
    };
    let (attacker, owner) = (gateway.identity.user(), gateway.identity.user());
    let client = gateway.client_from(OWNER);
    // The account of a token is known after its first request.
    assert_eq!((list(&client, &attacker).await, list(&client, &owner).await), (200, 200));
    let flood = join_all((100..130).map(async |host| {
        let client = gateway.client_from(&format!("127.0.0.{host}"));
        loop {
            list(&client, &attacker).await;
        }
    }));
    let own_requests = async {
        wait_until(|| calls.count() > 40).await;
        let mut before_own = Vec::new();
        for _ in 0..5 {
            let before = calls.count();
            assert_eq!(list(&client, &owner).await, 200);
            before_own.push(calls.count() - before);
        }
        assert!(before_own.iter().min() < Some(&10), "others are served first: {before_own:?}");
    };
    tokio::select! {
        () = own_requests => {}
        _ = flood => panic!("the flood ended"),
    }
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_are_not_replaced() {
    let gateway = TestApp::start_with(|settings, _| {
        settings.max_connections = 2;
        settings.trusted_proxies = "127.0.0.9".parse().unwrap();
    })
    .await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n";
    let mut of_proxy = [gateway.connect_from("127.0.0.9").await, gateway.connect_from("127.0.0.9").await];
    for stream in &mut of_proxy {
        stream.write_all(request).await.unwrap();
        assert_eq!(read_response(stream).await.status, 200);
    }
    let mut other = gateway.connect_from(OWNER).await;
    let mut rest = Vec::new();
    let closed = timeout(Duration::from_secs(10), other.read_to_end(&mut rest)).await;
    assert!(closed.is_ok() && rest.is_empty(), "it is closed without a response: {rest:?}");
    for stream in &mut of_proxy {
        stream.write_all(request).await.unwrap();
        assert_eq!(read_response(stream).await.status, 200, "it is still open");
    }
}
