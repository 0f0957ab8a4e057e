//! The last admin cannot be removed, by nobody and by no two at once.

use bodega_proto::identity::v1::{DeleteUserRequest, ListUsersRequest, Role, Session, UpdateUserRequest};
use tonic::{Code, Status};

use crate::shop::{Shop, refusal, user};

fn last_admin() -> (Code, String) {
    (Code::FailedPrecondition, "last_admin".into())
}

async fn demote(shop: &Shop, by: &Session, whom: &Session) -> Result<(), Status> {
    let request =
        UpdateUserRequest { id: user(whom).id.clone(), role: Role::User.into(), ..Default::default() };
    shop.update_user(by, request).await.map(drop)
}

async fn disable(shop: &Shop, by: &Session, whom: &Session) -> Result<(), Status> {
    let request = UpdateUserRequest { id: user(whom).id.clone(), disabled: Some(true), ..Default::default() };
    shop.update_user(by, request).await.map(drop)
}

async fn delete(shop: &Shop, by: &Session, whom: &Session) -> Result<(), Status> {
    let request = DeleteUserRequest { id: user(whom).id.clone() };
    shop.bearer(&by.access_token).await.delete_user(request).await.map(drop)
}

#[tokio::test]
async fn the_last_admin_stays() {
    let shop = Shop::open().await;
    let root = shop.admin("root").await;
    let disabled = shop.admin("eve").await;
    disable(&shop, &root, &disabled).await.unwrap();

    assert_eq!(refusal(demote(&shop, &root, &root).await), last_admin());
    assert_eq!(refusal(disable(&shop, &root, &root).await), last_admin());
    assert_eq!(refusal(delete(&shop, &root, &root).await), last_admin());
    shop.profile(&root).await.unwrap();

    let second = shop.admin("zoe").await;
    delete(&shop, &root, &root).await.unwrap();
    assert_eq!(refusal(demote(&shop, &second, &second).await), last_admin());
}

#[tokio::test]
async fn two_admins_who_remove_each_other_at_once_leave_one() {
    let shop = Shop::open().await;
    let mut one = shop.admin("one").await;
    for round in 0..6 {
        let two = shop.admin(&format!("two{round}")).await;
        let (first, second) = match round % 3 {
            0 => tokio::join!(demote(&shop, &one, &two), demote(&shop, &two, &one)),
            1 => tokio::join!(disable(&shop, &one, &two), demote(&shop, &two, &one)),
            _ => tokio::join!(delete(&shop, &one, &two), disable(&shop, &two, &one)),
        };
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        one = if first.is_ok() { one } else { two };

        let request = ListUsersRequest { role: Role::Admin.into(), ..Default::default() };
        let admins = shop.bearer(&one.access_token).await.list_users(request).await.unwrap();
        let enabled = admins.into_inner().users.into_iter().filter(|admin| !admin.disabled).count();
        assert_eq!(enabled, 1);
    }
}

#[tokio::test]
async fn a_crowd_of_admins_who_all_resign_at_once_leaves_one() {
    let shop = Shop::open().await;
    let mut admins = Vec::new();
    for index in 0..5 {
        admins.push(shop.admin(&format!("admin{index}")).await);
    }
    let resignations = admins.iter().map(|admin| demote(&shop, admin, admin));
    let answers = futures_util::future::join_all(resignations).await;
    let (resigned, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(resigned.len(), 4);
    assert_eq!(refusal(refused.into_iter().next().unwrap()), last_admin());
}
