//! Creating an admin on the command line.

use bodega_identity::{CreatedAdmin, create_admin, has_admin};

use crate::test_app::{
    PASSWORD, TestApp, id_of, invalid_credentials, rejection, session_ended, settings, user,
};

#[tokio::test]
async fn creates_an_admin_idempotently() {
    let app = TestApp::start().await;
    assert!(!has_admin(&app.db).await.unwrap());
    let make =
        async || create_admin(&app.db, &settings(), "Root", "Root@bodega.local", PASSWORD).await.unwrap();
    let CreatedAdmin::Created(id) = make().await else { panic!("not created") };
    let session = app.login("root@bodega.local").await.unwrap();
    assert!(app.verifier.verify(&session.access_token).await.unwrap().is_admin());
    assert!(has_admin(&app.db).await.unwrap());

    assert_eq!(make().await, CreatedAdmin::Updated(id));
    app.profile(&session).await.expect("the session is still active");
}

#[tokio::test]
async fn makes_an_existing_user_an_admin_with_a_new_password() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let made = create_admin(&app.db, &settings(), "Other", "ADA@example.org", "another horse battery").await;
    assert_eq!(made.unwrap(), CreatedAdmin::Updated(id_of(user(&session))));
    assert_eq!(rejection(app.profile(&session).await), session_ended());
    assert_eq!(rejection(app.login("ada").await), invalid_credentials());
    let session = app.login_with("ada", "another horse battery").await.unwrap();
    assert!(app.verifier.verify(&session.access_token).await.unwrap().is_admin());
    assert_eq!(user(&session).name, "ada");
}

#[tokio::test]
async fn validates_the_fields_of_an_admin() {
    let app = TestApp::start().await;
    let rejected = create_admin(&app.db, &settings(), "", "root", "password").await.unwrap_err().to_string();
    for field in ["name", "email", "password"] {
        assert!(rejected.contains(field), "{rejected}");
    }
    assert!(!has_admin(&app.db).await.unwrap());
}
