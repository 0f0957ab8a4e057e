//! The calls of the order service: it reads a user's cart at checkout, and then clears the ordered lines.

use bodega_proto::cart::v1::{ClearOrderedRequest, GetSnapshotResponse, SnapshotLine};
use bodega_runtime::status::Violations;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    db::{carts, checkouts, items},
    error::Error,
    owner::Owner,
};

/// Returns the lines of the user's cart by product id, and its version. A user without a cart has an empty one with
/// version 0.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn snapshot(db: &PgPool, user_id: Uuid) -> Result<GetSnapshotResponse, Error> {
    let cart = carts::load(db, &Owner::User(user_id)).await?.unwrap_or_default();
    let mut lines: Vec<_> = cart
        .lines
        .into_iter()
        .map(|line| SnapshotLine {
            product_id: line.product_id,
            quantity: line.quantity,
            quoted_price_minor: line.quoted_price_minor,
        })
        .collect();
    lines.sort_by_key(|line| line.product_id);
    Ok(GetSnapshotResponse { version: cart.version, lines })
}

/// The ordered lines of a cart.
#[derive(Debug)]
pub(crate) struct Ordered {
    order_id: Uuid,
    user_id: Uuid,
    product_ids: Vec<i32>,
    quantities: Vec<i32>,
}

impl Ordered {
    /// Decodes a request.
    ///
    /// # Errors
    /// All invalid fields.
    pub(crate) fn parse(request: &ClearOrderedRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let mut uuid = |field: &str, text: &str| {
            text.parse::<Uuid>().inspect_err(|_| violations.add(field, "must be a UUID")).unwrap_or_default()
        };
        let order_id = uuid("order_id", &request.order_id);
        let user_id = uuid("user_id", &request.user_id);
        for (index, line) in request.lines.iter().enumerate() {
            violations.require(line.quantity >= 1, &format!("lines[{index}].quantity"), "must be at least 1");
        }
        violations.finish()?;
        let (product_ids, quantities) =
            request.lines.iter().map(|line| (line.product_id, line.quantity)).unzip();
        Ok(Self { order_id, user_id, product_ids, quantities })
    }
}

/// Removes the ordered quantities from the cart, once per order; units added since then remain.
///
/// # Errors
/// Errors of the database; nothing has changed.
pub(crate) async fn clear_ordered(db: &PgPool, ordered: &Ordered) -> Result<(), Error> {
    let mut transaction = db.begin().await?;
    if !checkouts::insert(&mut *transaction, ordered.order_id, ordered.user_id).await? {
        return Ok(());
    }
    if let Some(cart) = carts::touch(&mut *transaction, &Owner::User(ordered.user_id)).await? {
        items::subtract(&mut *transaction, cart.id, &ordered.product_ids, &ordered.quantities).await?;
    }
    transaction.commit().await?;
    Ok(())
}
