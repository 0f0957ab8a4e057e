//! Management of users by admins.

use bodega_proto::identity::v1::{
    DeleteUserRequest, GetUserRequest, ListUsersRequest, ListUsersResponse, Role, Session, UpdateUserRequest,
    User,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::test_app::{
    TestApp, fields, id_of, invalid_credentials, invalid_refresh_token, registration, rejection,
    session_ended, user,
};

async fn list(
    app: &TestApp,
    admin: &Session,
    request: ListUsersRequest,
) -> Result<ListUsersResponse, Status> {
    Ok(app.bearer(&admin.access_token).await.list_users(request).await?.into_inner())
}

async fn get(app: &TestApp, admin: &Session, id: &str) -> Result<User, Status> {
    let request = GetUserRequest { id: id.into() };
    let response = app.bearer(&admin.access_token).await.get_user(request).await?;
    Ok(response.into_inner().user.unwrap())
}

async fn delete(app: &TestApp, admin: &Session, id: &str) -> Result<Vec<String>, Status> {
    let request = DeleteUserRequest { id: id.into() };
    let response = app.bearer(&admin.access_token).await.delete_user(request).await?;
    Ok(response.into_inner().ended_session_ids)
}

fn update(session: &Session, role: Role, disabled: Option<bool>) -> UpdateUserRequest {
    UpdateUserRequest { id: user(session).id.clone(), role: role.into(), disabled }
}

fn names(page: &ListUsersResponse) -> Vec<&str> {
    page.users.iter().map(|user| user.name.as_str()).collect()
}

#[tokio::test]
async fn user_management_requires_an_admin() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let id = user(&session).id.clone();
    let admin_only = (Code::PermissionDenied, "admin_only".to_owned());
    assert_eq!(rejection(list(&app, &session, ListUsersRequest::default()).await), admin_only);
    assert_eq!(rejection(get(&app, &session, &id).await), admin_only);
    let promote = update(&session, Role::Admin, None);
    assert_eq!(rejection(app.update_user(&session, promote).await), admin_only);
    assert_eq!(rejection(delete(&app, &session, &id).await), admin_only);

    let unauthenticated = (Code::Unauthenticated, "unauthenticated".to_owned());
    assert_eq!(rejection(app.anonymous().list_users(ListUsersRequest::default()).await), unauthenticated);
    assert_eq!(rejection(app.anonymous().delete_user(DeleteUserRequest { id }).await), unauthenticated);
}

#[tokio::test]
async fn pages_contain_every_user_once_newest_first() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    for name in ["ada", "bob", "eve", "joe"] {
        app.register(name).await;
    }
    let page = |limit, cursor: &str| ListUsersRequest { limit, cursor: cursor.into(), ..Default::default() };
    let first = list(&app, &admin, page(2, "")).await.unwrap();
    assert_eq!(names(&first), ["joe", "eve"]);
    // A user registered in between appears on no later page and shifts none.
    app.register("mia").await;
    let second = list(&app, &admin, page(2, &first.next_cursor)).await.unwrap();
    assert_eq!(names(&second), ["bob", "ada"]);
    let third = list(&app, &admin, page(2, &second.next_cursor)).await.unwrap();
    assert_eq!((names(&third), third.next_cursor.as_str()), (vec!["root"], ""));

    for (request, reason) in [
        (page(0, "nonsense"), "invalid_cursor"),
        (page(101, ""), "invalid_limit"),
        (page(-1, ""), "invalid_limit"),
    ] {
        assert_eq!(rejection(list(&app, &admin, request).await), (Code::OutOfRange, reason.into()));
    }
}

#[tokio::test]
async fn searches_parts_of_names_usernames_and_emails_in_any_case() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    for (name, email, username) in
        [("Ada Lovelace", "countess@example.org", "first_programmer"), ("Jörg 100%", "jorg@example.org", "")]
    {
        let mut request = registration(name);
        request.email = email.into();
        request.username = username.into();
        app.anonymous().register(request).await.unwrap();
    }
    let ada = vec!["Ada Lovelace"];
    let jorg = vec!["Jörg 100%"];
    for (q, found) in [
        ("LOVE", ada.clone()),
        ("ountess@EX", ada.clone()),
        ("Programmer", ada.clone()),
        ("t_p", ada.clone()),
        ("JO\u{308}RG", jorg.clone()),
        ("0%", jorg),
        ("%", vec!["Jörg 100%"]),
        ("_", ada),
        ("nobody", vec![]),
    ] {
        let page = list(&app, &admin, ListUsersRequest { q: q.into(), ..Default::default() }).await.unwrap();
        assert_eq!(names(&page), found, "{q}");
    }
    let page = list(&app, &admin, ListUsersRequest { role: Role::Admin.into(), ..Default::default() })
        .await
        .unwrap();
    assert_eq!(names(&page), ["root"]);
    let invalid = ListUsersRequest { q: "\0".into(), ..Default::default() };
    assert_eq!(fields(list(&app, &admin, invalid).await), ["q"]);
    let invalid = ListUsersRequest { role: 7, ..Default::default() };
    assert_eq!(fields(list(&app, &admin, invalid).await), ["role"]);
}

#[tokio::test]
async fn finds_a_user_by_id() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let session = app.register("ada").await;
    assert_eq!(get(&app, &admin, &user(&session).id).await.unwrap(), *user(&session));
    let unknown = Uuid::now_v7().to_string();
    let not_found = (Code::NotFound, "user_not_found".to_owned());
    assert_eq!(rejection(get(&app, &admin, &unknown).await), not_found);
    let request = UpdateUserRequest { id: unknown.clone(), disabled: Some(true), ..Default::default() };
    assert_eq!(rejection(app.update_user(&admin, request).await), not_found);
    assert_eq!(rejection(delete(&app, &admin, &unknown).await), not_found);
    assert_eq!(fields(get(&app, &admin, "1").await), ["id"]);
}

#[tokio::test]
async fn a_demotion_takes_effect_at_once() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    let eve = app.admin("eve").await;
    let (demoted, ended) = app.update_user(&root, update(&eve, Role::User, None)).await.unwrap();
    assert_eq!((demoted.role(), ended), (Role::User, vec![app.session_id(&eve).await]));

    let stale = list(&app, &eve, ListUsersRequest::default()).await;
    assert_eq!(rejection(stale), session_ended());
    assert_eq!(rejection(app.refresh(&eve.refresh_token).await), invalid_refresh_token());
    let again = app.login("eve@example.org").await.unwrap();
    assert!(!app.verifier.verify(&again.access_token).await.unwrap().is_admin());
}

#[tokio::test]
async fn a_disabled_user_cannot_log_in_until_enabled() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let ada = app.register("ada").await;
    let (disabled, ended) =
        app.update_user(&admin, update(&ada, Role::Unspecified, Some(true))).await.unwrap();
    assert!(disabled.disabled);
    assert_eq!(ended, [app.session_id(&ada).await]);
    assert_eq!(rejection(app.profile(&ada).await), session_ended());
    assert_eq!(rejection(app.refresh(&ada.refresh_token).await), invalid_refresh_token());
    assert_eq!(rejection(app.login("ada").await), invalid_credentials());

    let (enabled, ended) =
        app.update_user(&admin, update(&ada, Role::Unspecified, Some(false))).await.unwrap();
    assert_eq!((enabled.disabled, ended.len()), (false, 0));
    assert_eq!(rejection(app.profile(&ada).await), session_ended(), "ended sessions stay ended");
    app.login("ada").await.unwrap();
}

#[tokio::test]
async fn no_session_starts_while_the_user_is_disabled() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let ada = app.register("ada").await;
    for step in 0..12 {
        let session = app.login("ada").await.unwrap();
        let disable = async {
            tokio::time::sleep(std::time::Duration::from_millis(step * 5)).await;
            app.update_user(&admin, update(&ada, Role::Unspecified, Some(true))).await.unwrap();
        };
        let _ = tokio::join!(app.login("ada"), disable, app.refresh(&session.refresh_token));
        assert_eq!(app.active_sessions(user(&ada)).await, 0);
        app.update_user(&admin, update(&ada, Role::Unspecified, Some(false))).await.unwrap();
    }
}

#[tokio::test]
async fn erases_the_personal_data_of_a_deleted_user() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let ada = app.register("ada").await;
    let id = user(&ada).id.clone();
    sqlx::query(
        "insert into identity.addresses
         values ($1, 1, 'Ada', '1 Main St', '', 'London', '', '', 'GB', '', true)",
    )
    .bind(id_of(user(&ada)))
    .execute(&app.db)
    .await
    .unwrap();

    assert_eq!(delete(&app, &admin, &id).await.unwrap(), [app.session_id(&ada).await]);
    assert_eq!(rejection(app.profile(&ada).await), session_ended());
    assert_eq!(rejection(app.refresh(&ada.refresh_token).await), invalid_refresh_token());
    assert_eq!(rejection(app.login("ada").await), invalid_credentials());
    let not_found = (Code::NotFound, "user_not_found".to_owned());
    assert_eq!(rejection(get(&app, &admin, &id).await), not_found);
    assert_eq!(rejection(delete(&app, &admin, &id).await), not_found);
    assert_eq!(names(&list(&app, &admin, ListUsersRequest::default()).await.unwrap()), ["root"]);

    let remaining: Vec<String> = sqlx::query_scalar(
        "select t::text from identity.users t where id = $1
         union all select t::text from identity.sessions t where user_id = $1
         union all select t::text from identity.addresses t where user_id = $1",
    )
    .bind(id_of(user(&ada)))
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(remaining.len(), 2, "the tombstone, and a session whose access token may be valid");
    for row in remaining {
        for trace in ["ada", "example", "Main", "argon2", "test/1"] {
            assert!(!row.contains(trace), "{trace} in {row}");
        }
    }
    app.register("ada").await;
}
