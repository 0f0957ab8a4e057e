//! Admins and accounts.

use bodega_proto::identity::v1::{
    DeleteUserRequest, GetUserRequest, ListUsersRequest, ListUsersResponse, Role, Session, UpdateUserRequest,
    User,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::shop::{
    Shop, fields, id_of, invalid_credentials, invalid_refresh_token, refusal, registration, session_ended,
    user,
};

async fn list(shop: &Shop, admin: &Session, request: ListUsersRequest) -> Result<ListUsersResponse, Status> {
    Ok(shop.bearer(&admin.access_token).await.list_users(request).await?.into_inner())
}

async fn get(shop: &Shop, admin: &Session, id: &str) -> Result<User, Status> {
    let request = GetUserRequest { id: id.into() };
    let answer = shop.bearer(&admin.access_token).await.get_user(request).await?;
    Ok(answer.into_inner().user.unwrap())
}

async fn delete(shop: &Shop, admin: &Session, id: &str) -> Result<Vec<String>, Status> {
    let request = DeleteUserRequest { id: id.into() };
    let answer = shop.bearer(&admin.access_token).await.delete_user(request).await?;
    Ok(answer.into_inner().ended_session_ids)
}

fn standing(session: &Session, role: Role, disabled: Option<bool>) -> UpdateUserRequest {
    UpdateUserRequest { id: user(session).id.clone(), role: role.into(), disabled }
}

fn names(page: &ListUsersResponse) -> Vec<&str> {
    page.users.iter().map(|user| user.name.as_str()).collect()
}

#[tokio::test]
async fn accounts_are_for_admins_only() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let id = user(&session).id.clone();
    let admin_only = (Code::PermissionDenied, "admin_only".to_owned());
    assert_eq!(refusal(list(&shop, &session, ListUsersRequest::default()).await), admin_only);
    assert_eq!(refusal(get(&shop, &session, &id).await), admin_only);
    let promote = standing(&session, Role::Admin, None);
    assert_eq!(refusal(shop.update_user(&session, promote).await), admin_only);
    assert_eq!(refusal(delete(&shop, &session, &id).await), admin_only);

    let unauthenticated = (Code::Unauthenticated, "unauthenticated".to_owned());
    assert_eq!(refusal(shop.anyone().list_users(ListUsersRequest::default()).await), unauthenticated);
    assert_eq!(refusal(shop.anyone().delete_user(DeleteUserRequest { id }).await), unauthenticated);
}

#[tokio::test]
async fn pages_hold_every_account_once_newest_first() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    for name in ["ada", "bob", "eve", "joe"] {
        shop.register(name).await;
    }
    let page = |limit, cursor: &str| ListUsersRequest { limit, cursor: cursor.into(), ..Default::default() };
    let first = list(&shop, &admin, page(2, "")).await.unwrap();
    assert_eq!(names(&first), ["joe", "eve"]);
    // Somebody who comes in between is on no later page, and moves nobody.
    shop.register("mia").await;
    let second = list(&shop, &admin, page(2, &first.next_cursor)).await.unwrap();
    assert_eq!(names(&second), ["bob", "ada"]);
    let third = list(&shop, &admin, page(2, &second.next_cursor)).await.unwrap();
    assert_eq!((names(&third), third.next_cursor.as_str()), (vec!["root"], ""));

    for (request, reason) in [
        (page(0, "nonsense"), "invalid_cursor"),
        (page(101, ""), "invalid_limit"),
        (page(-1, ""), "invalid_limit"),
    ] {
        assert_eq!(refusal(list(&shop, &admin, request).await), (Code::OutOfRange, reason.into()));
    }
}

#[tokio::test]
async fn a_search_finds_parts_of_names_usernames_and_emails_in_any_case() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    for (name, email, username) in
        [("Ada Lovelace", "countess@example.org", "first_programmer"), ("Jörg 100%", "jorg@example.org", "")]
    {
        let mut request = registration(name);
        request.email = email.into();
        request.username = username.into();
        shop.anyone().register(request).await.unwrap();
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
        let page = list(&shop, &admin, ListUsersRequest { q: q.into(), ..Default::default() }).await.unwrap();
        assert_eq!(names(&page), found, "{q}");
    }
    let page = list(&shop, &admin, ListUsersRequest { role: Role::Admin.into(), ..Default::default() })
        .await
        .unwrap();
    assert_eq!(names(&page), ["root"]);
    let odd = ListUsersRequest { q: "\0".into(), ..Default::default() };
    assert_eq!(fields(list(&shop, &admin, odd).await), ["q"]);
    let odd = ListUsersRequest { role: 7, ..Default::default() };
    assert_eq!(fields(list(&shop, &admin, odd).await), ["role"]);
}

#[tokio::test]
async fn an_account_is_found_by_its_id() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let session = shop.register("ada").await;
    assert_eq!(get(&shop, &admin, &user(&session).id).await.unwrap(), *user(&session));
    let nobody = Uuid::now_v7().to_string();
    let not_found = (Code::NotFound, "user_not_found".to_owned());
    assert_eq!(refusal(get(&shop, &admin, &nobody).await), not_found);
    let request = UpdateUserRequest { id: nobody.clone(), disabled: Some(true), ..Default::default() };
    assert_eq!(refusal(shop.update_user(&admin, request).await), not_found);
    assert_eq!(refusal(delete(&shop, &admin, &nobody).await), not_found);
    assert_eq!(fields(get(&shop, &admin, "1").await), ["id"]);
}

#[tokio::test]
async fn a_demotion_takes_effect_at_once() {
    let shop = Shop::open().await;
    let root = shop.admin("root").await;
    let eve = shop.admin("eve").await;
    let (demoted, ended) = shop.update_user(&root, standing(&eve, Role::User, None)).await.unwrap();
    assert_eq!((demoted.role(), ended), (Role::User, vec![shop.session_id(&eve).await]));

    let stale = list(&shop, &eve, ListUsersRequest::default()).await;
    assert_eq!(refusal(stale), session_ended());
    assert_eq!(refusal(shop.refresh(&eve.refresh_token).await), invalid_refresh_token());
    let again = shop.login("eve@example.org").await.unwrap();
    assert!(!shop.verifier.verify(&again.access_token).await.unwrap().is_admin());
}

#[tokio::test]
async fn a_disabled_account_is_shut_out_until_it_is_enabled() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let ada = shop.register("ada").await;
    let (disabled, ended) =
        shop.update_user(&admin, standing(&ada, Role::Unspecified, Some(true))).await.unwrap();
    assert!(disabled.disabled);
    assert_eq!(ended, [shop.session_id(&ada).await]);
    assert_eq!(refusal(shop.profile(&ada).await), session_ended());
    assert_eq!(refusal(shop.refresh(&ada.refresh_token).await), invalid_refresh_token());
    assert_eq!(refusal(shop.login("ada").await), invalid_credentials());

    let (enabled, ended) =
        shop.update_user(&admin, standing(&ada, Role::Unspecified, Some(false))).await.unwrap();
    assert_eq!((enabled.disabled, ended.len()), (false, 0));
    assert_eq!(refusal(shop.profile(&ada).await), session_ended(), "what ended stays so");
    shop.login("ada").await.unwrap();
}

#[tokio::test]
async fn no_session_begins_while_its_account_is_disabled() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let ada = shop.register("ada").await;
    for step in 0..12 {
        let session = shop.login("ada").await.unwrap();
        let disable = async {
            tokio::time::sleep(std::time::Duration::from_millis(step * 5)).await;
            shop.update_user(&admin, standing(&ada, Role::Unspecified, Some(true))).await.unwrap();
        };
        let _ = tokio::join!(shop.login("ada"), disable, shop.refresh(&session.refresh_token));
        assert_eq!(shop.live_sessions(user(&ada)).await, 0);
        shop.update_user(&admin, standing(&ada, Role::Unspecified, Some(false))).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_personal_is_left_of_a_deleted_account() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let ada = shop.register("ada").await;
    let id = user(&ada).id.clone();
    sqlx::query(
        "insert into identity.addresses
         values ($1, 1, 'Ada', '1 Main St', '', 'London', '', '', 'GB', '', true)",
    )
    .bind(id_of(user(&ada)))
    .execute(&shop.db)
    .await
    .unwrap();

    assert_eq!(delete(&shop, &admin, &id).await.unwrap(), [shop.session_id(&ada).await]);
    assert_eq!(refusal(shop.profile(&ada).await), session_ended());
    assert_eq!(refusal(shop.refresh(&ada.refresh_token).await), invalid_refresh_token());
    assert_eq!(refusal(shop.login("ada").await), invalid_credentials());
    let not_found = (Code::NotFound, "user_not_found".to_owned());
    assert_eq!(refusal(get(&shop, &admin, &id).await), not_found);
    assert_eq!(refusal(delete(&shop, &admin, &id).await), not_found);
    assert_eq!(names(&list(&shop, &admin, ListUsersRequest::default()).await.unwrap()), ["root"]);

    let left: Vec<String> = sqlx::query_scalar(
        "select t::text from identity.users t where id = $1
         union all select t::text from identity.sessions t where user_id = $1
         union all select t::text from identity.addresses t where user_id = $1",
    )
    .bind(id_of(user(&ada)))
    .fetch_all(&shop.db)
    .await
    .unwrap();
    assert_eq!(left.len(), 2, "a tombstone, and a session that tokens may still name");
    for row in left {
        for trace in ["ada", "example", "Main", "argon2", "test/1"] {
            assert!(!row.contains(trace), "{trace} in {row}");
        }
    }
    shop.register("ada").await;
}
