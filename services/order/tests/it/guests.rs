//! Guests: their carts, orders and tokens.

use bodega_proto::order::v1::{
    CancelOrderRequest, CheckoutContact, CheckoutForm, ClaimOrderRequest, GetOrderRequest, Order,
    PlaceOrderRequest,
};
use bodega_runtime::guest_token::GuestToken;
use tonic::Status;
use uuid::Uuid;

use crate::test_app::{TestApp, with_long_deadline};

/// A guest with a cart.
#[derive(Clone)]
pub(crate) struct Guest(GuestToken);

/// An order of a guest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GuestOrder {
    pub(crate) order: Order,
    pub(crate) access_token: String,
}

impl Guest {
    pub(crate) fn id(&self) -> Uuid {
        self.0.hash().guest_id()
    }

    pub(crate) fn token(&self) -> String {
        self.0.encode()
    }
}

impl TestApp {
    /// Returns a new guest with these products in the cart, at current prices.
    pub(crate) fn guest_with_cart(&self, lines: &[(i32, i32)]) -> Guest {
        let guest = Guest(GuestToken::random());
        self.add_to_cart(guest.id(), lines);
        guest
    }

    /// Places an order. An empty `key` stands for none.
    pub(crate) async fn place_as_guest(&self, guest: &Guest, key: &str) -> Result<GuestOrder, Status> {
        self.try_place_as_guest(&guest.token(), key, Some(contact())).await
    }

    pub(crate) async fn try_place_as_guest(
        &self,
        guest_token: &str,
        key: &str,
        form: Option<CheckoutForm>,
    ) -> Result<GuestOrder, Status> {
        let request = PlaceOrderRequest {
            idempotency_key: key.to_owned(),
            form,
            guest_token: guest_token.to_owned(),
            ..Default::default()
        };
        let mut client = self.guest_client();
        let response = with_long_deadline(client.place_order(request)).await?.into_inner();
        Ok(GuestOrder { order: response.order.unwrap(), access_token: response.access_token })
    }

    /// Reads an order by its token.
    pub(crate) async fn open(&self, id: &str, access_token: &str) -> Result<Order, Status> {
        let request = GetOrderRequest { id: id.to_owned(), access_token: access_token.to_owned() };
        Ok(self.guest_client().get_order(request).await?.into_inner().order.unwrap())
    }

    pub(crate) async fn cancel_as_guest(&self, id: &str, access_token: &str) -> Result<Order, Status> {
        let request = CancelOrderRequest { id: id.to_owned(), access_token: access_token.to_owned() };
        let mut client = self.guest_client();
        Ok(with_long_deadline(client.cancel_order(request)).await?.into_inner().order.unwrap())
    }

    pub(crate) async fn claim(&self, user: Uuid, id: &str, access_token: &str) -> Result<Order, Status> {
        let request = ClaimOrderRequest { id: id.to_owned(), access_token: access_token.to_owned() };
        Ok(self.client(user).claim_order(request).await?.into_inner().order.unwrap())
    }
}

/// A form with an email address.
pub(crate) fn contact() -> CheckoutForm {
    let contact = CheckoutContact {
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        ..CheckoutContact::default()
    };
    CheckoutForm { contact: Some(contact), ..CheckoutForm::default() }
}
