//! Changes of the profile and password.

use bodega_proto::identity::v1::{
    Address, AddressList, ChangePasswordRequest, Session, UpdateProfileRequest, User,
};
use futures_util::future::join_all;
use tonic::{Code, Status};

use crate::test_app::{PASSWORD, TestApp, fields, invalid_credentials, rejection, session_ended, user};

async fn update(app: &TestApp, session: &Session, request: UpdateProfileRequest) -> Result<User, Status> {
    let mut client = app.bearer(&session.access_token).await;
    Ok(client.update_profile(request).await?.into_inner().user.unwrap())
}

fn address(line1: &str, is_default: bool) -> Address {
    Address {
        name: "Ada Lovelace".into(),
        line1: line1.into(),
        line2: "Flat 2".into(),
        city: "London".into(),
        region: "Greater London".into(),
        postal_code: "W1".into(),
        country: "gb".into(),
        phone: "+44 20".into(),
        is_default,
    }
}

#[tokio::test]
async fn updates_only_the_given_fields() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let before = user(&session).clone();

    let unchanged = update(&app, &session, UpdateProfileRequest::default()).await.unwrap();
    assert_eq!(User { updated_at: before.updated_at, ..unchanged }, before);

    let request = UpdateProfileRequest { name: Some("Countess".into()), ..Default::default() };
    let named = update(&app, &session, request).await.unwrap();
    assert_eq!((named.name.as_str(), named.username.as_str()), ("Countess", "ada"));
    assert!(named.updated_at.unwrap().nanos != before.updated_at.unwrap().nanos);

    let request = UpdateProfileRequest {
        username: Some(String::new()),
        email: Some("countess@example.org".into()),
        ..Default::default()
    };
    let renamed = update(&app, &session, request).await.unwrap();
    assert_eq!(
        (renamed.name.as_str(), renamed.username.as_str(), renamed.email.as_str()),
        ("Countess", "", "countess@example.org")
    );
    assert_eq!(app.profile(&session).await.unwrap(), renamed);
    assert_eq!(rejection(app.login("ada").await), invalid_credentials());
    app.login("Countess@example.org").await.unwrap();
}

#[tokio::test]
async fn rejects_an_email_or_username_in_use_and_changes_nothing() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    app.register("bob").await;
    let with =
        |request: UpdateProfileRequest| UpdateProfileRequest { name: Some("Changed".into()), ..request };
    let username = with(UpdateProfileRequest { username: Some("BOB".into()), ..Default::default() });
    let email = with(UpdateProfileRequest { email: Some("Bob@Example.org".into()), ..Default::default() });
    assert_eq!(rejection(update(&app, &ada, username).await), (Code::AlreadyExists, "username_taken".into()));
    assert_eq!(rejection(update(&app, &ada, email).await), (Code::AlreadyExists, "email_taken".into()));
    assert_eq!(app.profile(&ada).await.unwrap().name, "ada");

    let own = UpdateProfileRequest { username: Some("ADA".into()), ..Default::default() };
    assert_eq!(update(&app, &ada, own).await.unwrap().username, "ADA", "its own username in another case");
}

#[tokio::test]
async fn names_all_invalid_fields() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let invalid = Address { country: "Britain".into(), ..address("", false) };
    let request = UpdateProfileRequest {
        name: Some(String::new()),
        username: Some("a b".into()),
        email: Some("nobody".into()),
        current_password: None,
        addresses: Some(AddressList { addresses: vec![address("1 Main St", true), invalid] }),
    };
    assert_eq!(
        fields(update(&app, &ada, request).await),
        ["name", "email", "username", "addresses[1].line1", "addresses[1].country"]
    );
}

#[tokio::test]
async fn replaces_the_list_of_addresses() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let set = async |addresses: Vec<Address>| {
        let request =
            UpdateProfileRequest { addresses: Some(AddressList { addresses }), ..Default::default() };
        update(&app, &ada, request).await
    };
    let lines = |user: &User| -> Vec<_> {
        user.addresses.iter().map(|address| (address.line1.clone(), address.is_default)).collect()
    };
    let profile = set(vec![address("2 Side St", false), address("1 Main St", true)]).await.unwrap();
    assert_eq!(lines(&profile), [("2 Side St".into(), false), ("1 Main St".into(), true)]);
    assert_eq!(profile.addresses[0], Address { country: "GB".into(), ..address("2 Side St", false) });
    assert_eq!(app.profile(&ada).await.unwrap(), profile);

    let profile = set(vec![address("3 Back St", true)]).await.unwrap();
    assert_eq!(lines(&profile), [("3 Back St".into(), true)]);
    let twenty_one = vec![address("4", false); 21];
    assert_eq!(fields(set(twenty_one).await), ["addresses"]);
    assert_eq!(lines(&app.profile(&ada).await.unwrap()), [("3 Back St".into(), true)]);

    let unchanged = update(&app, &ada, UpdateProfileRequest::default()).await.unwrap();
    assert_eq!(unchanged.addresses.len(), 1);
    assert!(set(Vec::new()).await.unwrap().addresses.is_empty());

    let lists = (1..=6).map(|count| set(vec![address("5", false); count]));
    for response in join_all(lists).await {
        response.unwrap();
    }
    let count = app.profile(&ada).await.unwrap().addresses.len();
    assert!((1..=6).contains(&count), "one complete list: {count}");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let current = app.register("ada").await;
    let other = app.login("ada").await.unwrap();
    let ended = app.change_password(&current, "another horse battery").await.unwrap();
    assert_eq!(ended, [app.session_id(&other).await]);

    app.profile(&current).await.unwrap();
    app.refresh(&current.refresh_token).await.unwrap();
    assert_eq!(rejection(app.profile(&other).await), session_ended());
    assert_eq!(rejection(app.login("ada").await), invalid_credentials());
    app.login_with("ada", "another horse battery").await.unwrap();
}

#[tokio::test]
async fn changing_the_password_requires_the_current_one_and_a_valid_new_one() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let change = async |current: &str, new: &str| {
        let request = ChangePasswordRequest { current_password: current.into(), new_password: new.into() };
        app.bearer(&ada.access_token).await.change_password(request).await
    };
    assert_eq!(fields(change("wrong horse battery", "another horse").await), ["current_password"]);
    assert_eq!(fields(change("", "another horse").await), ["current_password"]);
    for bad in ["short", "password1", "ADA@example.org"] {
        assert_eq!(fields(change(PASSWORD, bad).await), ["new_password"], "{bad}");
    }
    app.login("ada").await.unwrap();
}

#[tokio::test]
async fn only_one_of_two_concurrent_password_changes_succeeds() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let (one, two) = tokio::join!(
        app.change_password(&ada, "another horse battery"),
        app.change_password(&ada, "yet another horse battery"),
    );
    assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|ok| *ok).count(), 1, "{one:?} {two:?}");
    let set = if one.is_ok() { "another horse battery" } else { "yet another horse battery" };
    app.login_with("ada", set).await.unwrap();
}

#[tokio::test]
async fn no_session_starts_with_the_old_password_during_a_change() {
    let app = TestApp::start().await;
    let mut current = PASSWORD.to_owned();
    let ada = app.register("ada").await;
    for step in 0..8 {
        let next = format!("horse battery number {step}");
        let change = async {
            tokio::time::sleep(std::time::Duration::from_millis(step * 10)).await;
            let request =
                ChangePasswordRequest { current_password: current.clone(), new_password: next.clone() };
            app.bearer(&ada.access_token).await.change_password(request).await.unwrap();
        };
        let logins = join_all((0..3).map(|_| app.login_with("ada", &current)));
        tokio::join!(change, logins);
        assert_eq!(app.active_sessions(user(&ada)).await, 1, "the session that changed it");
        current = next;
    }
}
