//! The calls of the order service: it reads a cart at checkout, and then clears the ordered lines. Carts are named by the id of
//! the user, or of the guest.

use bodega_proto::cart::v1::{
    CartItem, ClearOrderedRequest, GetPricedSnapshotResponse, GetSnapshotResponse, PricedLine, SnapshotLine,
};
use bodega_runtime::{
    combiner::{BATCH_LOCK_TIMEOUT, Combiner, MAX_BATCH, NO_LOCK_TIMEOUT, Results},
    database::Pool,
    status::Violations,
};
use uuid::Uuid;

use crate::{
    catalog::{Catalog, Products},
    db::{
        carts::{self, Snapshot},
        checkouts::{self, Ordered},
    },
    error::Error,
    pricing,
};

/// The calls of the order service.
#[derive(Clone)]
pub(crate) struct Checkout {
    catalog: Catalog,
    snapshots: Combiner<Uuid, Snapshot, Error>,
    clears: Combiner<Ordered, (), Error>,
}

impl Checkout {
    pub(crate) fn new(db: Pool, catalog: Catalog) -> Self {
        let reader = db.clone();
        let load_all = move |owner_ids| load_all(reader.clone(), owner_ids);
        let clear = move |ordered| clear(db.clone(), ordered);
        Self {
            catalog,
            snapshots: Combiner::new("cart snapshots", MAX_BATCH, |owner_id: &Uuid| *owner_id, load_all),
            clears: Combiner::new("ordered lines", MAX_BATCH, |ordered: &Ordered| ordered.owner_id, clear),
        }
    }

    /// Returns the lines of a cart by product id, its version, and the guests whose carts were merged into it. A user or guest
    /// without a cart has an empty one with version 0.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn snapshot(&self, owner_id: Uuid) -> Result<GetSnapshotResponse, Error> {
        let Snapshot { cart, merged_guests } = self.snapshots.submit(owner_id).await?;
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
        let merged_guest_ids = merged_guests.iter().map(Uuid::to_string).collect();
        Ok(GetSnapshotResponse { version: cart.version, lines, merged_guest_ids })
    }

    /// Returns the lines of a cart by product id, with the current products.
    ///
    /// # Errors
    /// Errors of the database and the catalog.
    pub(crate) async fn priced_snapshot(&self, owner_id: Uuid) -> Result<GetPricedSnapshotResponse, Error> {
        let Snapshot { cart, .. } = self.snapshots.submit(owner_id).await?;
        let mut products = Products::default();
        self.catalog.fetch_missing(&mut products, cart.product_ids()).await?;
        let priced = pricing::price(&cart, &products)?;
        let mut lines: Vec<_> = priced.items.into_iter().map(|item| priced_line(item, &products)).collect();
        lines.sort_by_key(|line| line.product_id);
        Ok(GetPricedSnapshotResponse { lines, currency: priced.currency, version: cart.version })
    }

    /// Removes the ordered quantities from the cart, once per order; units added since then remain.
    ///
    /// # Errors
    /// Errors of the database; nothing has changed.
    pub(crate) async fn clear_ordered(&self, ordered: Ordered) -> Result<(), Error> {
        self.clears.submit(ordered).await
    }
}

fn priced_line(item: CartItem, products: &Products) -> PricedLine {
    let product = products.get(item.product_id);
    let details = product.and_then(|product| product.variants.first());
    PricedLine {
        product_id: item.product_id,
        name: item.name,
        price_minor: item.price_minor,
        quantity: item.quantity,
        available: item.available,
        category_id: product.and_then(|product| product.category.as_ref()).map(|category| category.id),
        variant_of: item.variant_of,
        sku: item.sku,
        variant_name: item.variant_name,
        tax_class: details.map(|details| details.tax_class.clone()).unwrap_or_default(),
        weight_grams: details.map(|details| details.weight_grams).unwrap_or_default(),
        is_digital: details.is_some_and(|details| details.is_digital),
    }
}

async fn load_all(db: Pool, owner_ids: Vec<Uuid>) -> sqlx::Result<Results<Snapshot, Error>> {
    Ok(carts::load_all(&db, &owner_ids).await?.into_iter().map(|snapshot| Some(Ok(snapshot))).collect())
}

async fn clear(db: Pool, ordered: Vec<Ordered>) -> sqlx::Result<Results<(), Error>> {
    let [order] = &*ordered else {
        let done = checkouts::clear(&db, BATCH_LOCK_TIMEOUT, &ordered).await?;
        return Ok(done.into_iter().map(|is_done| is_done.then_some(Ok(()))).collect());
    };
    let mut done = checkouts::clear(&db, NO_LOCK_TIMEOUT, &ordered).await?;
    // A missing cart cannot be locked, so it may be created between the two statements of a transaction.
    while done == [false] {
        let mut transaction = db.begin().await?;
        carts::lock_ordered(&mut *transaction, order.owner_id).await?;
        done = checkouts::clear(&mut *transaction, NO_LOCK_TIMEOUT, &ordered).await?;
        transaction.commit().await?;
    }
    Ok(vec![Some(Ok(()))])
}

/// Decodes a request.
///
/// # Errors
/// All invalid fields.
pub(crate) fn parse_ordered(request: &ClearOrderedRequest) -> Result<Ordered, Violations> {
    let mut violations = Violations::new();
    let mut uuid = |field: &str, text: &str| {
        text.parse::<Uuid>().inspect_err(|_| violations.add(field, "must be a UUID")).unwrap_or_default()
    };
    let order_id = uuid("order_id", &request.order_id);
    let owner_id = uuid("user_id", &request.user_id);
    for (index, line) in request.lines.iter().enumerate() {
        violations.require(line.quantity >= 1, &format!("lines[{index}].quantity"), "must be at least 1");
    }
    violations.finish()?;
    let (product_ids, quantities) = request.lines.iter().map(|line| (line.product_id, line.quantity)).unzip();
    Ok(Ordered { order_id, owner_id, product_ids, quantities })
}
