//! `/api/checkout`.

pub(crate) mod input;
pub(crate) mod types;

use axum::extract::State;
use bodega_proto::order::v1::GetQuoteRequest;

use self::{input::PlaceOrderInput, types::Quote};
use crate::{
    app::App,
    extract::{Customer, Json},
    problem::Problem,
};

/// Returns what an order would cost.
///
/// Users send an access token, guests the `X-Cart-Token` of their cart. The body is that of the order; addresses may be incomplete, but each needs a country. Nothing is
/// stored and nothing is reserved: send the same body to `POST /api/orders`, with `total` as `expectedTotal`.
#[utoipa::path(
    post, path = "/api/checkout/quote", tag = "Orders", security(("bearer" = []), ("cartToken" = [])),
    request_body(content = ref("#/components/schemas/PlaceOrderInput"), content_type = "application/json",
        description = "Optional."),
    responses(
        (status = OK, description = "The total and its parts.", body = Quote),
        (status = UNAUTHORIZED, description = "The access token is missing or invalid, and there is no `X-Cart-Token`."),
        (status = NOT_FOUND, description = "No guest cart has this token (`cart_not_found`)."),
        (status = CONFLICT, description = "The cart is empty (`empty_cart`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is unknown or invalid (`invalid_field`; `errors` names it)."),
        (status = TOO_MANY_REQUESTS, description = "Too many quotes with discount codes (`rate_limited`)."),
    )
)]
pub(crate) async fn quote(
    State(app): State<App>,
    customer: Customer,
    input: Option<Json<PlaceOrderInput>>,
) -> Result<Json<Quote>, Problem> {
    let input = input.map(|Json(input)| input).unwrap_or_default();
    input.expected_total_minor(&app)?;
    let Customer { guest_token } = customer;
    let form = input.into_form(&app, !guest_token.is_empty()).await?;
    let quote = app.orders().get_quote(GetQuoteRequest { form, guest_token }).await?.into_inner();
    quote.try_into().map(Json)
}
