//! `OrderService`.

use bodega_proto::order::v1::{
    self as pb, CancelOrderRequest, CancelOrderResponse, CreatePaymentIntentRequest,
    CreatePaymentIntentResponse, CreateRefundRequest, CreateRefundResponse, CreateShipmentRequest,
    CreateShipmentResponse, GetOrderRequest, GetOrderResponse, GetQuoteRequest, GetQuoteResponse,
    ListAllOrdersRequest, ListAllOrdersResponse, ListOrdersRequest, ListOrdersResponse, ListPaymentsRequest,
    ListPaymentsResponse, PlaceOrderRequest, PlaceOrderResponse, ResolvePaymentRequest,
    ResolvePaymentResponse, UpdateOrderStatusRequest, UpdateOrderStatusResponse,
    order_service_server::OrderService,
};
use bodega_runtime::{
    auth::{Caller, Scope},
    page,
    rate_limit::limits,
    status::{Violations, parse_uuid},
    timestamp,
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    convert::{decision, optional_status, required_status},
    returns::{refund_request, shipment_request},
};
use crate::{
    app::App,
    checkout::{
        form::{Form, Purpose},
        place_order::place_order,
        quote::quote,
        request::PlaceOrder,
    },
    error::Error,
    orders::{
        db::{self, Filter},
        shipments::create_shipment,
        transition::{cancel, change_status},
    },
    payments::{
        db::reviews,
        list::list_payments,
        refunds::create::{create_refund, validate},
        resolve::resolve_payment,
        start::create_payment_intent,
    },
};

/// Orders on a page if the client sets no limit.
const DEFAULT_LIMIT: i32 = 20;

pub(crate) struct OrderApi(App);

impl OrderApi {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }
}

#[tonic::async_trait]
impl OrderService for OrderApi {
    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let request = PlaceOrder::new(request.idempotency_key, request.expected_total_minor, request.form)?;
        let app = self.0.clone();
        let limit = limits::ORDERS.by(caller.user_id);
        app.rate_limiter.take_cheaply(limit).await?;
        let work = async move { place_order(&app, caller.user_id, &request).await };
        let placed = self.0.placing.spawn(caller.user_id, work, Error::StillPlacing).await?;
        Ok(Response::new(placed.into()))
    }

    async fn get_quote(
        &self,
        request: Request<GetQuoteRequest>,
    ) -> Result<Response<GetQuoteResponse>, Status> {
        let caller = Caller::of(&request)?;
        let mut violations = Violations::new();
        let form = Form::parse(request.into_inner().form, Purpose::Quote, &mut violations);
        violations.finish()?;
        if !form.choices.discount_codes.is_empty() {
            let limit = limits::DISCOUNT_CODES.by(caller.user_id);
            self.0.rate_limiter.take_cheaply(limit).await?;
        }
        Ok(Response::new(quote(&self.0, caller.user_id, &form).await?.into()))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let caller = Caller::user_or_key(&request, Scope::OrdersRead)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let found = db::find(&self.0.db, id, required_owner(&caller)).await.map_err(Error::Database)?;
        let order = found.ok_or(Error::OrderNotFound)?;
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
            status: optional_status(request.status)?,
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
        Caller::admin_or_key(&request, Scope::OrdersRead)?;
        let request = request.into_inner();
        let user_id = match request.user_id.as_str() {
            "" => None,
            user_id => Some(parse_uuid("user_id", user_id)?),
        };
        let filter = Filter {
            user_id,
            status: optional_status(request.status)?,
            from: time("from", request.from.as_ref())?,
            to: time("to", request.to.as_ref())?,
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
        let caller = Caller::user_or_key(&request, Scope::OrdersWrite)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let owner = required_owner(&caller);
        let order = cancel(&self.0, id, owner, &caller).await?;
        Ok(Response::new(CancelOrderResponse { order: Some(order.into()) }))
    }

    async fn update_order_status(
        &self,
        request: Request<UpdateOrderStatusRequest>,
    ) -> Result<Response<UpdateOrderStatusResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::OrdersWrite)?;
        let request = request.into_inner();
        let id = parse_uuid("id", &request.id)?;
        let status = required_status(request.status)?;
        let order = change_status(&self.0, id, None, status, &caller).await?;
        Ok(Response::new(UpdateOrderStatusResponse { order: Some(order.into()) }))
    }

    async fn create_refund(
        &self,
        request: Request<CreateRefundRequest>,
    ) -> Result<Response<CreateRefundResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::PaymentsWrite)?;
        caller.check_recent_second_factor()?;
        let mut request = request.into_inner();
        let order_id = parse_uuid("order_id", &request.order_id)?;
        let key = std::mem::take(&mut request.idempotency_key);
        let request = refund_request(order_id, request);
        validate(&request, &key)?;
        let refund = create_refund(&self.0, &request, &key, &caller).await?;
        Ok(Response::new(CreateRefundResponse { refund: Some(refund.into()) }))
    }

    async fn create_shipment(
        &self,
        request: Request<CreateShipmentRequest>,
    ) -> Result<Response<CreateShipmentResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::OrdersWrite)?;
        let mut request = request.into_inner();
        let order_id = parse_uuid("order_id", &request.order_id)?;
        let key = std::mem::take(&mut request.idempotency_key);
        let request = shipment_request(order_id, request);
        request.validate(&key)?;
        let shipment = create_shipment(&self.0, &request, &key, &caller).await?;
        Ok(Response::new(CreateShipmentResponse { shipment: Some(shipment.into()) }))
    }

    async fn create_payment_intent(
        &self,
        request: Request<CreatePaymentIntentRequest>,
    ) -> Result<Response<CreatePaymentIntentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let app = self.0.clone();
        let work = async move { create_payment_intent(&app, id, caller.user_id).await };
        let intent = self.0.starting_payments.spawn(caller.user_id, work, Error::PaymentPending).await?;
        Ok(Response::new(CreatePaymentIntentResponse { intent: Some(intent.into()) }))
    }

    async fn list_payments(
        &self,
        request: Request<ListPaymentsRequest>,
    ) -> Result<Response<ListPaymentsResponse>, Status> {
        Caller::admin_or_key(&request, Scope::OrdersRead)?;
        let request = request.into_inner();
        let filter = reviews::Filter {
            needs_review: request.needs_review,
            after: page::decode(&request.cursor)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
        };
        let (payments, next_cursor) = list_payments(&self.0, filter).await?;
        let payments = payments.into_iter().map(Into::into).collect();
        Ok(Response::new(ListPaymentsResponse { payments, next_cursor }))
    }

    async fn resolve_payment(
        &self,
        request: Request<ResolvePaymentRequest>,
    ) -> Result<Response<ResolvePaymentResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::PaymentsWrite)?;
        caller.check_recent_second_factor()?;
        let request = request.into_inner();
        let id = parse_uuid("id", &request.id)?;
        let decision = decision(request.resolution(), request.note, caller.user_id)?;
        let payment = resolve_payment(&self.0, id, &decision, &caller).await?;
        Ok(Response::new(ResolvePaymentResponse { payment: Some(payment.into()) }))
    }
}

impl OrderApi {
    async fn page(&self, filter: Filter) -> Result<(Vec<pb::Order>, String), Status> {
        let limit = filter.limit;
        // One more order than fits on the page shows whether there is a next page.
        let filter = Filter { limit: limit + 1, ..filter };
        let mut orders = db::list(&self.0.db, filter).await.map_err(Error::Database)?;
        let next_cursor =
            page::truncate(&mut orders, limit, |order| (microseconds(order.placed_at), order.id));
        Ok((orders.into_iter().map(Into::into).collect(), next_cursor))
    }
}

/// Returns the user whose orders the caller may access, or `None` for the orders of all users.
fn required_owner(caller: &Caller) -> Option<Uuid> {
    (!caller.is_admin() && !caller.is_api_key()).then_some(caller.user_id)
}

/// Times in a cursor have the precision of the database.
fn microseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

fn cursor(cursor: &str) -> Result<Option<(OffsetDateTime, Uuid)>, Status> {
    let Some((microseconds, id)) = page::decode::<(i64, Uuid)>(cursor)? else { return Ok(None) };
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1000).ok();
    let time = time.filter(|time| is_supported(*time)).ok_or_else(page::invalid_cursor)?;
    Ok(Some((time, id)))
}

fn time(field: &str, time: Option<&prost_types::Timestamp>) -> Result<Option<OffsetDateTime>, Status> {
    let Some(time) = time else { return Ok(None) };
    let time = timestamp::from_proto(time).filter(|time| is_supported(*time));
    let mut violations = Violations::new();
    violations.require(time.is_some(), field, "must be between the years 1 and 9999");
    violations.finish()?;
    Ok(time)
}

/// Returns whether both protobuf and Postgres can represent the time.
fn is_supported(time: OffsetDateTime) -> bool {
    time.year() >= 1
}
