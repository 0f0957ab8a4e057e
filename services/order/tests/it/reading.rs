//! Reading and listing orders.

use bodega_proto::order::v1::{GetOrderRequest, ListAllOrdersRequest, ListOrdersRequest, Order, OrderStatus};
use prost_types::Timestamp;
use tonic::Code;
use uuid::Uuid;

use crate::test_app::{MUG, TestApp, error_reason};

async fn all(app: &TestApp, request: ListAllOrdersRequest) -> Vec<String> {
    let result = app.admin().list_all_orders(request).await.unwrap();
    result.into_inner().orders.into_iter().map(|order| order.id).collect()
}

async fn orders(app: &TestApp, count: usize) -> (Uuid, Vec<Order>) {
    let user = Uuid::now_v7();
    let mut orders = Vec::new();
    for _ in 0..count {
        app.add_to_cart(user, &[(MUG, 1)]);
        orders.push(app.place(user, "").await.unwrap());
    }
    (user, orders)
}

#[tokio::test]
async fn only_the_owner_and_admins_can_read_an_order() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let request = || GetOrderRequest { id: order.id.clone(), ..Default::default() };
    let mut owner = app.client(order.user_id.parse().unwrap());
    assert_eq!(owner.get_order(request()).await.unwrap().into_inner().order.unwrap(), order);
    assert_eq!(app.get(&order.id).await, order);

    let status = app.client(Uuid::now_v7()).get_order(request()).await.unwrap_err();
    assert_eq!(
        (status.code(), bodega_runtime::status::reason(&status).as_str()),
        (Code::NotFound, "order_not_found")
    );
    let unknown = GetOrderRequest { id: Uuid::now_v7().to_string(), ..Default::default() };
    assert_eq!(error_reason(app.admin().get_order(unknown).await), "order_not_found");
    let malformed = GetOrderRequest { id: "7".to_owned(), ..Default::default() };
    assert_eq!(app.admin().get_order(malformed).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn pages_are_newest_first_and_stable_while_orders_are_placed() {
    let app = TestApp::start().await;
    let (user, placed) = orders(&app, 5).await;
    orders(&app, 1).await;
    let expected: Vec<_> = placed.iter().rev().cloned().collect();

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = ListOrdersRequest { limit: 2, cursor, ..Default::default() };
        let page = app.client(user).list_orders(request).await.unwrap().into_inner();
        assert!(page.orders.len() <= 2);
        seen.extend(page.orders);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
        app.add_to_cart(user, &[(MUG, 1)]);
        app.place(user, "").await.unwrap();
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn orders_with_the_same_time_are_paged_without_loss() {
    let app = TestApp::start().await;
    let (user, placed) = orders(&app, 5).await;
    sqlx::query("update orders.orders set placed_at = '2024-01-01 00:00:00.123456Z'")
        .execute(&app.db)
        .await
        .unwrap();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..5 {
        let request = ListOrdersRequest { limit: 1, cursor, ..Default::default() };
        let page = app.client(user).list_orders(request).await.unwrap().into_inner();
        seen.extend(page.orders.into_iter().map(|order| order.id));
        cursor = page.next_cursor;
    }
    assert_eq!(cursor, "");
    let expected: Vec<_> = placed.into_iter().rev().map(|order| order.id).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn lists_are_filtered_by_status() {
    let app = TestApp::start().await;
    let (user, placed) = orders(&app, 3).await;
    app.update_status(&placed[1].id, OrderStatus::Paid).await.unwrap();
    let request = |status: OrderStatus| ListOrdersRequest { status: status.into(), ..Default::default() };
    let paid = app.client(user).list_orders(request(OrderStatus::Paid)).await.unwrap().into_inner().orders;
    assert_eq!(paid.iter().map(|order| &order.id).collect::<Vec<_>>(), [&placed[1].id]);
    let shipped = app.client(user).list_orders(request(OrderStatus::Shipped)).await.unwrap().into_inner();
    assert_eq!(shipped.orders, []);
    assert_eq!(shipped.next_cursor, "");
}

#[tokio::test]
async fn admins_filter_all_orders_by_user_status_and_time() {
    let app = TestApp::start().await;
    let (user, first) = orders(&app, 2).await;
    let (_, second) = orders(&app, 1).await;
    let ids: Vec<_> = [&second[0], &first[1], &first[0]].map(|order| order.id.clone()).to_vec();

    assert_eq!(all(&app, ListAllOrdersRequest::default()).await, ids);
    let request = ListAllOrdersRequest { user_id: user.to_string(), ..Default::default() };
    assert_eq!(all(&app, request).await, ids[1..]);
    app.update_status(&ids[2], OrderStatus::Confirmed).await.unwrap();
    let request = ListAllOrdersRequest { status: OrderStatus::Confirmed.into(), ..Default::default() };
    assert_eq!(all(&app, request).await, ids[2..]);
    let request =
        ListAllOrdersRequest { from: first[1].created_at, to: second[0].created_at, ..Default::default() };
    assert_eq!(all(&app, request).await, ids[1..2], "from is inclusive, to is exclusive");
}

#[tokio::test]
async fn admins_find_an_order_by_its_number() {
    let app = TestApp::start().await;
    let (user, placed) = orders(&app, 3).await;
    let request =
        |number| ListAllOrdersRequest { number: Some(number), limit: 1, ..ListAllOrdersRequest::default() };
    let found = app.admin().list_all_orders(request(placed[1].number)).await.unwrap().into_inner();
    assert_eq!((&found.orders[..], found.next_cursor.as_str()), (&placed[1..2], ""));
    let unknown = placed[2].number + 1;
    for number in [1, unknown, i64::MAX] {
        assert_eq!(all(&app, request(number)).await, [""; 0], "{number}");
    }
    let paid = OrderStatus::Paid.into();
    assert_eq!(all(&app, ListAllOrdersRequest { status: paid, ..request(placed[1].number) }).await, [""; 0]);
    let rejected = app.client(user).list_all_orders(request(placed[1].number)).await;
    assert_eq!(error_reason(rejected), "admin_only");
}

#[tokio::test]
async fn only_admins_list_all_orders() {
    let app = TestApp::start().await;
    let status =
        app.client(Uuid::now_v7()).list_all_orders(ListAllOrdersRequest::default()).await.unwrap_err();
    assert_eq!(
        (status.code(), bodega_runtime::status::reason(&status).as_str()),
        (Code::PermissionDenied, "admin_only")
    );
}

#[tokio::test]
async fn rejects_invalid_filters() {
    let app = TestApp::start().await;
    let base = ListAllOrdersRequest::default;
    let year_zero = Some(Timestamp { seconds: -99_999_999_999, nanos: 0 });
    let beyond = Some(Timestamp { seconds: i64::MAX, nanos: 0 });
    for (request, code) in [
        (ListAllOrdersRequest { cursor: "nonsense".to_owned(), ..base() }, Code::OutOfRange),
        (ListAllOrdersRequest { cursor: "WzEsMl0".to_owned(), ..base() }, Code::OutOfRange),
        (ListAllOrdersRequest { limit: 101, ..base() }, Code::OutOfRange),
        (ListAllOrdersRequest { limit: -1, ..base() }, Code::OutOfRange),
        (ListAllOrdersRequest { status: 99, ..base() }, Code::InvalidArgument),
        (ListAllOrdersRequest { user_id: "me".to_owned(), ..base() }, Code::InvalidArgument),
        (ListAllOrdersRequest { number: Some(0), ..base() }, Code::InvalidArgument),
        (ListAllOrdersRequest { number: Some(-1), ..base() }, Code::InvalidArgument),
        (ListAllOrdersRequest { from: year_zero, ..base() }, Code::InvalidArgument),
        (ListAllOrdersRequest { to: beyond, ..base() }, Code::InvalidArgument),
    ] {
        let shown = format!("{request:?}");
        let status = app.admin().list_all_orders(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{shown}");
    }
}

#[tokio::test]
async fn the_lists_are_served_by_their_indexes() {
    let app = TestApp::start().await;
    sqlx::query(
        "insert into orders.orders (id, user_id, cart_version, status, total_minor, currency, placed_at, number)
         select gen_random_uuid(), md5((n % 500)::text)::uuid, n, case n % 997 when 0 then 'paid' else 'completed' end,
                1, 'USD', timestamptz '2024-01-01' + n * interval '1 second', n
         from generate_series(1, 20000) n",
    )
    .execute(&app.db)
    .await
    .unwrap();
    sqlx::query("analyze orders.orders").execute(&app.db).await.unwrap();
    for (filter, index, is_sorted) in [
        ("user_id = md5('7')::uuid", "orders_by_user", true),
        ("status = 'paid'", "orders_by_status", true),
        ("placed_at < '2024-01-01 02:00:00Z'", "orders_by_placed_at", true),
        // Finds at most one order.
        ("number = 7", "one_order_per_number", false),
    ] {
        let query = format!(
            "explain select * from orders.orders
             where placed_at is not null and {filter} order by placed_at desc, id desc limit 21"
        );
        let plan: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(&app.db).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !(is_sorted && plan.contains("Sort")), "{plan}");
    }
}
