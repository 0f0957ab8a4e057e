//! The last admin cannot be removed, not even by concurrent calls.

use bodega_proto::identity::v1::{DeleteUserRequest, ListUsersRequest, Role, Session, UpdateUserRequest};
use tonic::{Code, Status};

use crate::test_app::{TestApp, rejection, user};

fn last_admin() -> (Code, String) {
    (Code::FailedPrecondition, "last_admin".into())
}

async fn demote(app: &TestApp, admin: &Session, target: &Session) -> Result<(), Status> {
    let request =
        UpdateUserRequest { id: user(target).id.clone(), role: Role::User.into(), ..Default::default() };
    app.update_user(admin, request).await.map(drop)
}

async fn disable(app: &TestApp, admin: &Session, target: &Session) -> Result<(), Status> {
    let request =
        UpdateUserRequest { id: user(target).id.clone(), disabled: Some(true), ..Default::default() };
    app.update_user(admin, request).await.map(drop)
}

async fn delete(app: &TestApp, admin: &Session, target: &Session) -> Result<(), Status> {
    let request = DeleteUserRequest { id: user(target).id.clone() };
    app.bearer(&admin.access_token).await.delete_user(request).await.map(drop)
}

#[tokio::test]
async fn the_last_admin_cannot_be_removed() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    let disabled = app.admin("eve").await;
    disable(&app, &root, &disabled).await.unwrap();

    assert_eq!(rejection(demote(&app, &root, &root).await), last_admin());
    assert_eq!(rejection(disable(&app, &root, &root).await), last_admin());
    assert_eq!(rejection(delete(&app, &root, &root).await), last_admin());
    app.profile(&root).await.unwrap();

    let second = app.admin("zoe").await;
    delete(&app, &root, &root).await.unwrap();
    assert_eq!(rejection(demote(&app, &second, &second).await), last_admin());
}

#[tokio::test]
async fn two_admins_who_remove_each_other_concurrently_leave_one() {
    let app = TestApp::start().await;
    let mut one = app.admin("one").await;
    for round in 0..6 {
        let two = app.admin(&format!("two{round}")).await;
        let (first, second) = match round % 3 {
            0 => tokio::join!(demote(&app, &one, &two), demote(&app, &two, &one)),
            1 => tokio::join!(disable(&app, &one, &two), demote(&app, &two, &one)),
            _ => tokio::join!(delete(&app, &one, &two), disable(&app, &two, &one)),
        };
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        one = if first.is_ok() { one } else { two };

        let request = ListUsersRequest { role: Role::Admin.into(), ..Default::default() };
        let admins = app.bearer(&one.access_token).await.list_users(request).await.unwrap();
        let enabled = admins.into_inner().users.into_iter().filter(|admin| !admin.disabled).count();
        assert_eq!(enabled, 1);
    }
}

#[tokio::test]
async fn concurrent_demotions_of_all_admins_leave_one() {
    let app = TestApp::start().await;
    let mut admins = Vec::new();
    for index in 0..5 {
        admins.push(app.admin(&format!("admin{index}")).await);
    }
    let demotions = admins.iter().map(|admin| demote(&app, admin, admin));
    let responses = futures_util::future::join_all(demotions).await;
    let (demoted, rejected): (Vec<_>, Vec<_>) = responses.into_iter().partition(Result::is_ok);
    assert_eq!(demoted.len(), 4);
    assert_eq!(rejection(rejected.into_iter().next().unwrap()), last_admin());
}
