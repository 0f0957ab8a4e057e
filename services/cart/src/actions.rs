//! Reads and changes carts: get, add, set, remove, clear.
//!
//! A change first gets the products from the catalog that it needs: an error of the catalog leaves the cart unchanged. Then one
//! statement makes the change and returns the cart. Details of lines that are not known by then are fetched last, and left out
//! if the catalog is unavailable: the change is committed, and the client must not repeat it.

use bodega_proto::cart::v1::Cart as PricedCart;
use bodega_runtime::{
    combiner::{BATCH_LOCK_TIMEOUT, Combiner, MAX_BATCH, NO_LOCK_TIMEOUT, Results},
    context::CallContext,
    database::Pool,
    guest_token::GuestToken,
    rate_limit::{RateLimiter, limits},
    timeouts,
};
use tokio::time::timeout;
use tracing::warn;

use crate::{
    cart::{Cart, Line, check_quantity},
    catalog::{Catalog, Products},
    choice::{self, Item},
    db::{
        add::{self, Addition},
        carts,
        change::{self, Change, Outcome},
    },
    error::Error,
    owner::Owner,
    pricing::price,
};

/// The actions of users and guests. An `owner` of `None` is a guest without a cart.
pub(crate) struct CartActions {
    db: Pool,
    catalog: Catalog,
    rate_limiter: RateLimiter,
    additions: Combiner<Addition, Cart, Error>,
}

impl CartActions {
    pub(crate) fn new(db: Pool, catalog: Catalog, rate_limiter: RateLimiter) -> Self {
        let writer = db.clone();
        let run = move |additions| run_additions(writer.clone(), additions);
        let additions = Combiner::new("cart additions", MAX_BATCH, |addition: &Addition| addition.owner, run);
        Self { db, catalog, rate_limiter, additions }
    }

    /// Returns the cart, or an empty one if there is none.
    ///
    /// # Errors
    /// [`Error::CartNotFound`] for an expired guest token; errors of the catalog.
    pub(crate) async fn get(&self, owner: Option<&Owner>) -> Result<PricedCart, Error> {
        let cart = self.load(owner).await?;
        let mut products = Products::default();
        self.catalog.fetch_missing(&mut products, cart.product_ids()).await?;
        price(&cart, &products)
    }

    /// Adds `quantity` to the line of a variant, or creates the line and, if there is none, the cart. Also returns the token of a
    /// guest's new cart.
    ///
    /// A quantity beyond the stock is accepted: the line is marked as not available.
    ///
    /// # Errors
    /// A quantity out of range, [`Error::ProductNotFound`], [`Error::VariantNotFound`], [`Error::VariantRequired`],
    /// [`Error::CartFull`], [`Error::CartNotFound`], errors of the catalog. The cart is then unchanged.
    pub(crate) async fn add(
        &self,
        owner: Option<&Owner>,
        item: Item,
        quantity: i32,
    ) -> Result<(PricedCart, Option<GuestToken>), Error> {
        check_quantity(quantity, 1)?;
        let mut products = Products::default();
        let product_id = choice::choose(&self.catalog, &mut products, item).await?;
        let product =
            products.get(product_id).filter(|product| !product.archived).ok_or(Error::ProductNotFound)?;
        let line = Line {
            product_id,
            quantity,
            quoted_price_minor: product.price_minor,
            currency: product.currency.clone(),
        };

        let (owner, token) = match owner {
            Some(owner) => (*owner, None),
            None => {
                if let Some(network) = CallContext::client_network() {
                    self.rate_limiter.take_cheaply(limits::GUEST_CARTS.by(network)).await?;
                }
                let token = GuestToken::random();
                (Owner::Guest(token.hash()), Some(token))
            }
        };
        // A guest's cart that was deleted concurrently must not be created again with its old token.
        let may_create = token.is_some() || owner.user_id().is_some();
        let cart = self.additions.submit(Addition { owner, may_create, line }).await?;
        Ok((self.priced(&cart, products).await?, token))
    }

    /// Sets the quantity of a line; 0 removes it. The product may be archived.
    ///
    /// # Errors
    /// A quantity out of range, [`Error::ItemNotFound`], [`Error::CartNotFound`], errors of the catalog. The cart is then
    /// unchanged.
    pub(crate) async fn set(
        &self,
        owner: Option<&Owner>,
        product_id: i32,
        quantity: i32,
    ) -> Result<PricedCart, Error> {
        check_quantity(quantity, 0)?;
        if quantity == 0 {
            return self.remove(owner, product_id).await;
        }
        let owner = owner.ok_or(Error::ItemNotFound)?;
        let mut products = Products::default();
        if product_id >= 1 {
            self.catalog.fetch_missing(&mut products, [product_id].into_iter()).await?;
        }
        let price = products.get(product_id).map(|product| (product.price_minor, product.currency.clone()));
        let cart = self.change(owner, &Change::Set { product_id, quantity, price }).await?;
        self.priced(&cart, products).await
    }

    /// Removes a line.
    ///
    /// # Errors
    /// [`Error::ItemNotFound`], [`Error::CartNotFound`], errors of the catalog. The cart is then unchanged.
    pub(crate) async fn remove(&self, owner: Option<&Owner>, product_id: i32) -> Result<PricedCart, Error> {
        let before = self.load(owner).await?;
        let owner = owner.filter(|_| before.contains(product_id)).ok_or(Error::ItemNotFound)?;
        let mut products = Products::default();
        let remaining = before.product_ids().filter(|id| *id != product_id);
        self.catalog.fetch_missing(&mut products, remaining).await?;
        let cart = self.change(owner, &Change::Remove { product_id }).await?;
        self.priced(&cart, products).await
    }

    /// Removes all lines. Works while the catalog is unavailable, since it needs no prices.
    ///
    /// # Errors
    /// [`Error::CartNotFound`] for an expired guest token.
    pub(crate) async fn clear(&self, owner: Option<&Owner>) -> Result<PricedCart, Error> {
        let cart = match owner {
            Some(owner) => self.change(owner, &Change::Clear).await?,
            None => Cart::default(),
        };
        price(&cart, &Products::default())
    }

    async fn load(&self, owner: Option<&Owner>) -> Result<Cart, Error> {
        let Some(owner) = owner else {
            return Ok(Cart::default());
        };
        match carts::load(&self.db, owner).await? {
            Some(cart) => Ok(cart),
            None => missing_cart(owner),
        }
    }

    /// Changes the cart and returns it.
    async fn change(&self, owner: &Owner, change: &Change) -> Result<Cart, Error> {
        let mut outcome = change::change(&self.db, owner, change).await?;
        // A missing cart cannot be locked, so it may be created and changed between the two statements of a transaction.
        while let Outcome::Conflict = outcome {
            let mut transaction = self.db.begin().await?;
            carts::lock(&mut *transaction, owner).await?;
            outcome = change::change(&mut *transaction, owner, change).await?;
            transaction.commit().await?;
        }
        match (outcome, change) {
            (Outcome::Changed(cart), _) => Ok(cart),
            (Outcome::NoCart, Change::Clear) => missing_cart(owner),
            (Outcome::NoCart, _) => missing_cart(owner).and(Err(Error::ItemNotFound)),
            (Outcome::NoSuchLine | Outcome::Conflict, _) => Err(Error::ItemNotFound),
        }
    }

    /// Prices a cart after a committed change. Lines whose products are not known yet must not make this fail, or the client
    /// would repeat the change: if the catalog is unavailable by then, such a line has no details.
    async fn priced(&self, cart: &Cart, mut products: Products) -> Result<PricedCart, Error> {
        match timeout(timeouts::CART_REPRICE, self.catalog.fetch_missing(&mut products, cart.product_ids()))
            .await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!("cannot read the products of other lines, omitting their details: {error}");
            }
            Err(_) => {
                warn!("cannot read the products of other lines, omitting their details: catalog timed out");
            }
        }
        price(cart, &products)
    }
}

async fn run_additions(db: Pool, additions: Vec<Addition>) -> sqlx::Result<Results<Cart, Error>> {
    let [addition] = &*additions else {
        return add::add(&db, BATCH_LOCK_TIMEOUT, &additions).await;
    };
    let mut results = add::add(&db, NO_LOCK_TIMEOUT, &additions).await?;
    // A missing cart cannot be locked, so it may be created between the two statements of a transaction.
    while let [None] = &*results {
        let mut transaction = db.begin().await?;
        carts::lock(&mut *transaction, &addition.owner).await?;
        results = add::add(&mut *transaction, NO_LOCK_TIMEOUT, &additions).await?;
        transaction.commit().await?;
    }
    Ok(results)
}

/// Returns the result of reading a cart that does not exist: an empty cart, or an error for a guest.
fn missing_cart(owner: &Owner) -> Result<Cart, Error> {
    match owner {
        Owner::User(_) => Ok(Cart::default()),
        Owner::Guest(_) => Err(Error::CartNotFound),
    }
}
