//! The service of those who place orders and those who run the shop.

use bodega_proto::order::v1::{
    self as pb, CancelOrderRequest, CancelOrderResponse, CreatePaymentIntentRequest,
    CreatePaymentIntentResponse, GetOrderRequest, GetOrderResponse, ListAllOrdersRequest,
    ListAllOrdersResponse, ListOrdersRequest, ListOrdersResponse, PlaceOrderRequest, PlaceOrderResponse,
    UpdateOrderStatusRequest, UpdateOrderStatusResponse, order_service_server::OrderService,
};
use bodega_runtime::{
    auth::Caller,
    page,
    status::{Violations, parse_uuid},
    timestamp,
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    App, bounds,
    error::Error,
    move_order::update_order_status,
    pay::create_payment_intent,
    place_order::{self, place_order},
    status::OrderStatus,
    store::{self, orders::Filter},
};

/// Rows of a page where the client does not say.
const DEFAULT_LIMIT: i32 = 20;

/// The service, as gRPC sees it.
pub(crate) struct Orders(App);

impl Orders {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let request = place_order::Request::new(request.idempotency_key, request.expected_total_minor)?;
        let app = self.0.clone();
        let work = async move { place_order(&app, caller.user_id, &request).await };
        let order = bounds::go_on(work, Error::StillPlacing).await?;
        Ok(Response::new(PlaceOrderResponse { order: Some(order.into()) }))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let found = store::orders::find(&self.0.db, id, reach(&caller)).await.map_err(Error::Database)?;
        let order = found.ok_or(Error::NotFound)?;
        Ok(Response::new(GetOrderResponse { order: Some(order.into()) }))
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let filter = Filter {
            user_id: Some(caller.user_id),
            status: status_filter(request.status)?,
            from: None,
            to: None,
            after: cursor(&request.cursor)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
        };
        let (orders, next_cursor) = self.page(filter).await?;
        Ok(Response::new(ListOrdersResponse { orders, next_cursor }))
    }

    async fn list_all_orders(
        &self,
        request: Request<ListAllOrdersRequest>,
    ) -> Result<Response<ListAllOrdersResponse>, Status> {
        Caller::admin_of(&request)?;
        let request = request.into_inner();
        let user_id = match request.user_id.as_str() {
            "" => None,
            user_id => Some(parse_uuid("user_id", user_id)?),
        };
        let filter = Filter {
            user_id,
            status: status_filter(request.status)?,
            from: moment("from", request.from.as_ref())?,
            to: moment("to", request.to.as_ref())?,
            after: cursor(&request.cursor)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
        };
        let (orders, next_cursor) = self.page(filter).await?;
        Ok(Response::new(ListAllOrdersResponse { orders, next_cursor }))
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let order =
            update_order_status(&self.0, id, reach(&caller), OrderStatus::Cancelled, caller.user_id).await?;
        Ok(Response::new(CancelOrderResponse { order: Some(order.into()) }))
    }

    async fn update_order_status(
        &self,
        request: Request<UpdateOrderStatusRequest>,
    ) -> Result<Response<UpdateOrderStatusResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let request = request.into_inner();
        let id = parse_uuid("id", &request.id)?;
        let to = status_filter(request.status)?.ok_or_else(invalid_status)?;
        let order = update_order_status(&self.0, id, None, to, caller.user_id).await?;
        Ok(Response::new(UpdateOrderStatusResponse { order: Some(order.into()) }))
    }

    async fn create_payment_intent(
        &self,
        request: Request<CreatePaymentIntentRequest>,
    ) -> Result<Response<CreatePaymentIntentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let app = self.0.clone();
        let work = async move { create_payment_intent(&app, id, caller.user_id).await };
        let payable = bounds::go_on(work, Error::StillPaying).await?;
        Ok(Response::new(CreatePaymentIntentResponse { intent: Some(payable.into()) }))
    }
}

impl Orders {
    async fn page(&self, filter: Filter) -> Result<(Vec<pb::Order>, String), Status> {
        let limit = filter.limit;
        // One more than fits tells whether there is a next page.
        let filter = Filter { limit: limit + 1, ..filter };
        let mut orders = store::orders::list(&self.0.db, filter).await.map_err(Error::Database)?;
        let next_cursor = page::cut(&mut orders, limit, |order| (microseconds(order.placed_at), order.id));
        Ok((orders.into_iter().map(Into::into).collect(), next_cursor))
    }
}

/// Whose orders the caller may touch; `None` for everybody's.
fn reach(caller: &Caller) -> Option<Uuid> {
    (!caller.is_admin()).then_some(caller.user_id)
}

/// Times in a cursor have the database's precision.
fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

fn cursor(cursor: &str) -> Result<Option<(OffsetDateTime, Uuid)>, Status> {
    let Some((microseconds, id)) = page::decode::<(i64, Uuid)>(cursor)? else { return Ok(None) };
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1000).ok();
    let at = at.filter(|at| in_range(*at)).ok_or_else(page::invalid_cursor)?;
    Ok(Some((at, id)))
}

fn moment(field: &str, at: Option<&prost_types::Timestamp>) -> Result<Option<OffsetDateTime>, Status> {
    let Some(at) = at else { return Ok(None) };
    let moment = timestamp::from_proto(at).filter(|at| in_range(*at));
    let mut violations = Violations::new();
    violations.require(moment.is_some(), field, "must be a time of the years 1 to 9999");
    violations.finish()?;
    Ok(moment)
}

/// Whether it is a time of the years that protobuf and Postgres both know.
fn in_range(at: OffsetDateTime) -> bool {
    at.year() >= 1
}

fn invalid_status() -> Status {
    let mut violations = Violations::new();
    violations.add("status", "must be one that an order can have");
    violations.into()
}

/// The status asked for; `None` for unspecified.
fn status_filter(status: i32) -> Result<Option<OrderStatus>, Status> {
    match pb::OrderStatus::try_from(status).map_err(|_| invalid_status())? {
        pb::OrderStatus::Unspecified => Ok(None),
        pb::OrderStatus::Pending => Ok(Some(OrderStatus::Pending)),
        pb::OrderStatus::Confirmed => Ok(Some(OrderStatus::Confirmed)),
        pb::OrderStatus::Paid => Ok(Some(OrderStatus::Paid)),
        pb::OrderStatus::Shipped => Ok(Some(OrderStatus::Shipped)),
        pb::OrderStatus::Completed => Ok(Some(OrderStatus::Completed)),
        pb::OrderStatus::Cancelled => Ok(Some(OrderStatus::Cancelled)),
    }
}
