//! What people change about their own accounts.

use bodega_proto::identity::v1::{
    Address, AddressList, ChangePasswordRequest, Session, UpdateProfileRequest, User,
};
use futures_util::future::join_all;
use tonic::{Code, Status};

use crate::shop::{PASSWORD, Shop, fields, invalid_credentials, refusal, session_ended, user};

async fn update(shop: &Shop, session: &Session, request: UpdateProfileRequest) -> Result<User, Status> {
    let mut client = shop.bearer(&session.access_token).await;
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
async fn what_is_not_named_stays() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let before = user(&session).clone();

    let unchanged = update(&shop, &session, UpdateProfileRequest::default()).await.unwrap();
    assert_eq!(User { updated_at: before.updated_at, ..unchanged }, before);

    let request = UpdateProfileRequest { name: Some("Countess".into()), ..Default::default() };
    let named = update(&shop, &session, request).await.unwrap();
    assert_eq!((named.name.as_str(), named.username.as_str()), ("Countess", "ada"));
    assert!(named.updated_at.unwrap().nanos != before.updated_at.unwrap().nanos);

    let request = UpdateProfileRequest {
        username: Some(String::new()),
        email: Some("countess@example.org".into()),
        ..Default::default()
    };
    let renamed = update(&shop, &session, request).await.unwrap();
    assert_eq!(
        (renamed.name.as_str(), renamed.username.as_str(), renamed.email.as_str()),
        ("Countess", "", "countess@example.org")
    );
    assert_eq!(shop.profile(&session).await.unwrap(), renamed);
    assert_eq!(refusal(shop.login("ada").await), invalid_credentials());
    shop.login("Countess@example.org").await.unwrap();
}

#[tokio::test]
async fn what_belongs_to_another_is_refused_and_nothing_changes() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    shop.register("bob").await;
    let with =
        |request: UpdateProfileRequest| UpdateProfileRequest { name: Some("Changed".into()), ..request };
    let username = with(UpdateProfileRequest { username: Some("BOB".into()), ..Default::default() });
    let email = with(UpdateProfileRequest { email: Some("Bob@Example.org".into()), ..Default::default() });
    assert_eq!(refusal(update(&shop, &ada, username).await), (Code::AlreadyExists, "username_taken".into()));
    assert_eq!(refusal(update(&shop, &ada, email).await), (Code::AlreadyExists, "email_taken".into()));
    assert_eq!(shop.profile(&ada).await.unwrap().name, "ada");

    let own = UpdateProfileRequest { username: Some("ADA".into()), ..Default::default() };
    assert_eq!(update(&shop, &ada, own).await.unwrap().username, "ADA", "its own in another case");
}

#[tokio::test]
async fn every_refused_field_is_named() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let nowhere = Address { country: "Britain".into(), ..address("", false) };
    let request = UpdateProfileRequest {
        name: Some(String::new()),
        username: Some("a b".into()),
        email: Some("nobody".into()),
        addresses: Some(AddressList { addresses: vec![address("1 Main St", true), nowhere] }),
    };
    assert_eq!(
        fields(update(&shop, &ada, request).await),
        ["name", "email", "username", "addresses[1].line1", "addresses[1].country"]
    );
}

#[tokio::test]
async fn a_list_of_addresses_replaces_the_one_before() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let set = async |addresses: Vec<Address>| {
        let request =
            UpdateProfileRequest { addresses: Some(AddressList { addresses }), ..Default::default() };
        update(&shop, &ada, request).await
    };
    let lines = |user: &User| -> Vec<_> {
        user.addresses.iter().map(|address| (address.line1.clone(), address.is_default)).collect()
    };
    let profile = set(vec![address("2 Side St", false), address("1 Main St", true)]).await.unwrap();
    assert_eq!(lines(&profile), [("2 Side St".into(), false), ("1 Main St".into(), true)]);
    assert_eq!(profile.addresses[0], Address { country: "GB".into(), ..address("2 Side St", false) });
    assert_eq!(shop.profile(&ada).await.unwrap(), profile);

    let profile = set(vec![address("3 Back St", true)]).await.unwrap();
    assert_eq!(lines(&profile), [("3 Back St".into(), true)]);
    let twenty_one = vec![address("4", false); 21];
    assert_eq!(fields(set(twenty_one).await), ["addresses"]);
    assert_eq!(lines(&shop.profile(&ada).await.unwrap()), [("3 Back St".into(), true)]);

    let stays = update(&shop, &ada, UpdateProfileRequest::default()).await.unwrap();
    assert_eq!(stays.addresses.len(), 1);
    assert!(set(Vec::new()).await.unwrap().addresses.is_empty());

    let lists = (1..=6).map(|count| set(vec![address("5", false); count]));
    for answer in join_all(lists).await {
        answer.unwrap();
    }
    let count = shop.profile(&ada).await.unwrap().addresses.len();
    assert!((1..=6).contains(&count), "one of the lists, whole: {count}");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let shop = Shop::open().await;
    let here = shop.register("ada").await;
    let there = shop.login("ada").await.unwrap();
    let ended = shop.change_password(&here, "another horse battery").await.unwrap();
    assert_eq!(ended, [shop.session_id(&there).await]);

    shop.profile(&here).await.unwrap();
    shop.refresh(&here.refresh_token).await.unwrap();
    assert_eq!(refusal(shop.profile(&there).await), session_ended());
    assert_eq!(refusal(shop.login("ada").await), invalid_credentials());
    shop.login_with("ada", "another horse battery").await.unwrap();
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_to_a_good_one() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let change = async |current: &str, new: &str| {
        let request = ChangePasswordRequest { current_password: current.into(), new_password: new.into() };
        shop.bearer(&ada.access_token).await.change_password(request).await
    };
    assert_eq!(fields(change("wrong horse battery", "another horse").await), ["current_password"]);
    assert_eq!(fields(change("", "another horse").await), ["current_password"]);
    for bad in ["short", "password1", "ADA@example.org"] {
        assert_eq!(fields(change(PASSWORD, bad).await), ["new_password"], "{bad}");
    }
    shop.login("ada").await.unwrap();
}

#[tokio::test]
async fn of_two_new_passwords_at_once_one_is_set() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let (one, two) = tokio::join!(
        shop.change_password(&ada, "another horse battery"),
        shop.change_password(&ada, "yet another horse battery"),
    );
    assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|ok| *ok).count(), 1, "{one:?} {two:?}");
    let set = if one.is_ok() { "another horse battery" } else { "yet another horse battery" };
    shop.login_with("ada", set).await.unwrap();
}

#[tokio::test]
async fn no_session_begins_with_a_password_that_is_being_changed() {
    let shop = Shop::open().await;
    let mut current = PASSWORD.to_owned();
    let ada = shop.register("ada").await;
    for step in 0..8 {
        let next = format!("horse battery number {step}");
        let change = async {
            tokio::time::sleep(std::time::Duration::from_millis(step * 10)).await;
            let request =
                ChangePasswordRequest { current_password: current.clone(), new_password: next.clone() };
            shop.bearer(&ada.access_token).await.change_password(request).await.unwrap();
        };
        let logins = join_all((0..3).map(|_| shop.login_with("ada", &current)));
        tokio::join!(change, logins);
        assert_eq!(shop.live_sessions(user(&ada)).await, 1, "the one that changed it");
        current = next;
    }
}
