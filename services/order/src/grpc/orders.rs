//! `OrderService`.

use bodega_proto::order::v1::{
    self as pb, CancelOrderRequest, CancelOrderResponse, ClaimOrderRequest, ClaimOrderResponse,
    CreatePaymentIntentRequest, CreatePaymentIntentResponse, CreateRefundRequest, CreateRefundResponse,
    CreateShipmentRequest, CreateShipmentResponse, DeleteOrderContactRequest, DeleteOrderContactResponse,
    GetOrderRequest, GetOrderResponse, GetQuoteRequest, GetQuoteResponse, ListAllOrdersRequest,
    ListAllOrdersResponse, ListOrdersRequest, ListOrdersResponse, ListPaymentsRequest, ListPaymentsResponse,
    PlaceOrderRequest, PlaceOrderResponse, ResolvePaymentRequest, ResolvePaymentResponse,
    UpdateOrderStatusRequest, UpdateOrderStatusResponse, order_service_server::OrderService,
};
use bodega_runtime::{
    auth::{Caller, Scope},
    context::CallContext,
    page,
    rate_limit::{Limit, limits},
    status::{Violations, parse_uuid},
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    callers::{customer, user_key_or_bearer},
    convert::{decision, optional_status, order_for, placed_order_for, required_status},
    lists::{cursor, microseconds, number, time},
    returns::{refund_request, shipment_request},
};
use crate::{
    app::App,
    checkout::{
        customer::Customer,
        form::{Form, Purpose},
        place_order::place_order,
        quote::quote,
        request::PlaceOrder,
    },
    error::Error,
    orders::{
        access::Access,
        claim::claim,
        contact::delete_contact,
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
        let customer = customer(&request, &request.get_ref().guest_token)?;
        let (user_id, is_guest) = (customer.user_id(), customer.guest_id().is_some());
        let viewer = Caller::maybe_of(&request);
        let PlaceOrderRequest { idempotency_key, expected_total_minor, form, .. } = request.into_inner();
        let request = PlaceOrder::new(idempotency_key, expected_total_minor, form, is_guest)?;
        self.limit(limits::ORDERS, &customer).await?;
        let app = self.0.clone();
        let work = async move { place_order(&app, &customer, &request).await };
        let placed = self.0.placing.spawn(user_id, work, Error::StillPlacing).await?;
        Ok(Response::new(placed_order_for(viewer.as_ref(), placed)))
    }

    async fn get_quote(
        &self,
        request: Request<GetQuoteRequest>,
    ) -> Result<Response<GetQuoteResponse>, Status> {
        let customer = customer(&request, &request.get_ref().guest_token)?;
        let mut violations = Violations::new();
        let form = Form::parse(request.into_inner().form, Purpose::Quote, &mut violations);
        violations.finish()?;
        if !form.choices.discount_codes.is_empty() {
            self.limit(limits::DISCOUNT_CODES, &customer).await?;
        }
        Ok(Response::new(quote(&self.0, &customer, &form).await?.into()))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let token = &request.get_ref().access_token;
        let caller = user_key_or_bearer(&request, Scope::OrdersRead, token)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let Access { owner, caller } = self.access(id, token, caller).await?;
        let found = db::find(&self.0.db, id, owner).await.map_err(Error::Database)?;
        let order = found.ok_or(Error::OrderNotFound)?;
        Ok(Response::new(GetOrderResponse { order: Some(order_for(caller.as_ref(), order)) }))
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
            number: None,
            from: None,
            to: None,
            after: cursor(&request.cursor)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
        };
        let (orders, next_cursor) = self.page(filter, &caller).await?;
        Ok(Response::new(ListOrdersResponse { orders, next_cursor }))
    }

    async fn list_all_orders(
        &self,
        request: Request<ListAllOrdersRequest>,
    ) -> Result<Response<ListAllOrdersResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::OrdersRead)?;
        let request = request.into_inner();
        let user_id = match request.user_id.as_str() {
            "" => None,
            user_id => Some(parse_uuid("user_id", user_id)?),
        };
        let filter = Filter {
            user_id,
            status: optional_status(request.status)?,
            number: number(request.number)?,
            from: time("from", request.from.as_ref())?,
            to: time("to", request.to.as_ref())?,
            after: cursor(&request.cursor)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
        };
        let (orders, next_cursor) = self.page(filter, &caller).await?;
        Ok(Response::new(ListAllOrdersResponse { orders, next_cursor }))
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let token = &request.get_ref().access_token;
        let caller = user_key_or_bearer(&request, Scope::OrdersWrite, token)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        let Access { owner, caller } = self.access(id, token, caller).await?;
        let order = cancel(&self.0, id, owner, caller.as_ref()).await?;
        Ok(Response::new(CancelOrderResponse { order: Some(order_for(caller.as_ref(), order)) }))
    }

    async fn update_order_status(
        &self,
        request: Request<UpdateOrderStatusRequest>,
    ) -> Result<Response<UpdateOrderStatusResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::OrdersWrite)?;
        let request = request.into_inner();
        let id = parse_uuid("id", &request.id)?;
        let status = required_status(request.status)?;
        let order = change_status(&self.0, id, None, status, Some(&caller)).await?;
        Ok(Response::new(UpdateOrderStatusResponse { order: Some(order_for(Some(&caller), order)) }))
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
        let token = &request.get_ref().access_token;
        let caller = match token.is_empty() {
            true => Some(Caller::of(&request)?),
            false => Caller::user_or_guest(&request)?,
        };
        let id = parse_uuid("id", &request.get_ref().id)?;
        let user_id = caller.as_ref().map(|caller| caller.user_id);
        let Access { owner, .. } = self.access(id, token, caller).await?;
        // Admins pay their own orders only.
        let owner = owner.or(user_id).ok_or(Error::OrderNotFound)?;
        let app = self.0.clone();
        let work = async move { create_payment_intent(&app, id, owner).await };
        let intent = self.0.starting_payments.spawn(user_id, work, Error::PaymentPending).await?;
        Ok(Response::new(CreatePaymentIntentResponse { intent: Some(intent.into()) }))
    }

    async fn claim_order(
        &self,
        request: Request<ClaimOrderRequest>,
    ) -> Result<Response<ClaimOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = parse_uuid("id", &request.id)?;
        let order = claim(&self.0, id, &request.access_token, &caller).await?;
        Ok(Response::new(ClaimOrderResponse { order: Some(order_for(Some(&caller), order)) }))
    }

    async fn delete_order_contact(
        &self,
        request: Request<DeleteOrderContactRequest>,
    ) -> Result<Response<DeleteOrderContactResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        delete_contact(&self.0, id, &caller).await?;
        Ok(Response::new(DeleteOrderContactResponse {}))
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
    /// Takes a use of a limit: of the account, or of the network of a guest.
    async fn limit(&self, limit: Limit, customer: &Customer) -> Result<(), Status> {
        let usage = match customer.user_id() {
            Some(user_id) => Some(limit.by(user_id)),
            None => CallContext::client_network().map(|network| limit.by(network)),
        };
        if let Some(usage) = usage {
            self.0.rate_limiter.take_cheaply(usage).await?;
        }
        Ok(())
    }

    /// Returns who accesses an order. An empty token is none.
    async fn access(&self, id: Uuid, token: &str, caller: Option<Caller>) -> Result<Access, Error> {
        match caller {
            Some(caller) if token.is_empty() => Ok(Access::of(caller)),
            caller => Access::by_token(&self.0.db, id, token, caller).await,
        }
    }

    async fn page(&self, filter: Filter, viewer: &Caller) -> Result<(Vec<pb::Order>, String), Status> {
        let limit = filter.limit;
        // One more order than fits on the page shows whether there is a next page.
        let filter = Filter { limit: limit + 1, ..filter };
        let mut orders = db::list(&self.0.db, filter).await.map_err(Error::Database)?;
        let next_cursor =
            page::truncate(&mut orders, limit, |order| (microseconds(order.placed_at), order.id));
        Ok((orders.into_iter().map(|order| order_for(Some(viewer), order)).collect(), next_cursor))
    }
}
