//! Making an admin from the command line.

use bodega_identity::{Admin, create_admin, has_admin};

use crate::shop::{PASSWORD, Shop, id_of, invalid_credentials, refusal, session_ended, settings, user};

#[tokio::test]
async fn an_admin_is_made_once_however_often_it_is_said() {
    let shop = Shop::open().await;
    assert!(!has_admin(&shop.db).await.unwrap());
    let make =
        async || create_admin(&shop.db, &settings(), "Root", "Root@bodega.local", PASSWORD).await.unwrap();
    let Admin::Created(id) = make().await else { panic!("not made") };
    let session = shop.login("root@bodega.local").await.unwrap();
    assert!(shop.verifier.verify(&session.access_token).await.unwrap().is_admin());
    assert!(has_admin(&shop.db).await.unwrap());

    assert_eq!(make().await, Admin::Updated(id));
    shop.profile(&session).await.expect("nothing has changed");
}

#[tokio::test]
async fn an_account_becomes_an_admin_with_another_password() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let made = create_admin(&shop.db, &settings(), "Other", "ADA@example.org", "another horse battery").await;
    assert_eq!(made.unwrap(), Admin::Updated(id_of(user(&session))));
    assert_eq!(refusal(shop.profile(&session).await), session_ended());
    assert_eq!(refusal(shop.login("ada").await), invalid_credentials());
    let session = shop.login_with("ada", "another horse battery").await.unwrap();
    assert!(shop.verifier.verify(&session.access_token).await.unwrap().is_admin());
    assert_eq!(user(&session).name, "ada");
}

#[tokio::test]
async fn an_admin_is_held_to_the_rules_of_everybody() {
    let shop = Shop::open().await;
    let refused = create_admin(&shop.db, &settings(), "", "root", "password").await.unwrap_err().to_string();
    for field in ["name", "email", "password"] {
        assert!(refused.contains(field), "{refused}");
    }
    assert!(!has_admin(&shop.db).await.unwrap());
}
