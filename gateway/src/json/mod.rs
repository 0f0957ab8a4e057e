//! JSON types that several resources share.

mod file;
mod id_or_name;
mod money;
mod object;
mod patch;
mod timestamp;

pub(crate) use self::{
    file::{AvatarForm, ImagesForm},
    id_or_name::{Reference, references},
    money::{Amount, AmountInput},
    object::Object,
    patch::given,
    timestamp::Timestamp,
};
pub(crate) use crate::api::{
    auth::types::{LoginInput, RefreshInput, RegisterInput, Session, SessionInfo, Sessions},
    cart::types::{AddInput, Cart, QuantityInput, RemoveInput, currency_of},
    groups::{Category, NameInput, Tag},
    orders::types::{MoveInput, Order, OrderInput, OrderStatus, status_of},
    payments::{Payment, PaymentIntent, PaymentStatus},
    products::{
        input::{ProductInput, ProductPatch},
        query::ProductQuery,
        types::{Named, Product},
    },
    users::types::{Account, Address, Profile, Role, User},
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
pub(crate) fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
