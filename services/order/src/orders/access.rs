//! Access to one order of a guest, by its token.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, SHA256_OUTPUT_LEN, digest},
};
use bodega_runtime::{auth::Caller, database::Pool};
use uuid::Uuid;

use crate::error::Error;

/// Returns the hash of an access token. The token is random, so the hash needs no salt and no work factor.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Who accesses an order.
#[derive(Debug)]
pub(crate) struct Access {
    /// The customer who must have placed the order, or `None` for any.
    pub owner: Option<Uuid>,
    /// `None` for the bearer of the order's token.
    pub caller: Option<Caller>,
}

impl Access {
    /// Returns the access of a caller, whose scope was checked: users to their own orders, others to all.
    pub(crate) fn of(caller: Caller) -> Self {
        let is_user = !caller.is_admin() && !caller.is_api_key();
        Self { owner: is_user.then_some(caller.user_id), caller: Some(caller) }
    }

    /// Returns the access to an order of a call with a token: that of the guest who has placed the order, or of the caller if it is
    /// not the token of this order.
    ///
    /// # Errors
    /// [`Error::OrderNotFound`] for a wrong token without a caller.
    pub(crate) async fn by_token(
        db: &Pool,
        order_id: Uuid,
        token: &str,
        caller: Option<Caller>,
    ) -> Result<Self, Error> {
        match guest_with_token(db, order_id, token).await? {
            Some(guest_id) => Ok(Self { owner: Some(guest_id), caller: None }),
            None => caller.map(Self::of).ok_or(Error::OrderNotFound),
        }
    }
}

/// Returns the guest who has placed an order, if this is its token. Does the same work for a wrong token and an unknown order.
pub(super) async fn guest_with_token(db: &Pool, order_id: Uuid, token: &str) -> sqlx::Result<Option<Uuid>> {
    let row = sqlx::query!(
        r#"select guest_id as "guest_id!", access_key_hash as "access_key_hash!" from orders.orders
           where id = $1 and access_key_hash is not null and placed_at is not null"#,
        order_id,
    )
    .fetch_optional(db)
    .await?;
    let (guest_id, expected) = match row {
        Some(row) => (Some(row.guest_id), row.access_key_hash),
        None => (None, vec![0; SHA256_OUTPUT_LEN]),
    };
    let is_equal = verify_slices_are_equal(&hash(token), &expected).is_ok();
    Ok(guest_id.filter(|_| is_equal))
}
