//! The JSON shapes of the API, one file a noun: what comes in, what goes out, and how both are made of messages.

mod amount;
mod cart;
mod category;
mod moment;
mod object;
mod order;
mod patch;
mod payment;
mod product;
mod product_input;
mod product_query;
mod reference;
mod session;
mod tag;
mod upload;
mod user;

pub(crate) use self::{
    amount::{Amount, AmountInput},
    cart::{AddInput, Cart, QuantityInput, RemoveInput, currency_of},
    category::{Category, NameInput},
    moment::Moment,
    object::Object,
    order::{MoveInput, Order, OrderInput, OrderStatus, status_of},
    patch::given,
    payment::PaymentIntent,
    product::{Named, Product},
    product_input::{ProductInput, ProductPatch},
    product_query::ProductQuery,
    reference::Reference,
    session::{LoginInput, RefreshInput, RegisterInput, Session, SessionInfo, Sessions},
    tag::Tag,
    upload::{AvatarForm, ImagesForm},
    user::{Account, Address, Profile, Role, User},
};

use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// The rows of this page.
    pub(crate) items: Vec<T>,
    /// Leads to the next page as `cursor`; absent on the last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) next_cursor: String,
}

/// What messages leave empty where there is nothing.
fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
