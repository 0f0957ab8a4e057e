//! Reads and changes carts: get, add, set, remove, clear.
//!
//! Each change reads the lines, gets their products from the catalog in one call, then writes the change and reads the cart
//! in one transaction, and returns the cart with the prices that the catalog returned before.

use bodega_proto::cart::v1::Cart as PricedCart;
use bodega_runtime::timeouts;
use sqlx::PgPool;
use tokio::time::timeout;
use tracing::warn;

use crate::{
    cart::{Cart, Line, MAX_LINES, check_quantity},
    catalog::{Catalog, Products},
    db::{carts, items},
    error::Error,
    owner::{GuestToken, Owner},
    pricing::price,
};

/// The actions of users and guests. An `owner` of `None` is a guest without a cart.
pub(crate) struct CartActions {
    db: PgPool,
    catalog: Catalog,
}

impl CartActions {
    pub(crate) fn new(db: PgPool, catalog: Catalog) -> Self {
        Self { db, catalog }
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

    /// Adds `quantity` to a line, or creates the line and, if there is none, the cart. Also returns the token of a guest's
    /// new cart.
    ///
    /// A quantity beyond the stock is accepted: the line is marked as not available.
    ///
    /// # Errors
    /// A quantity out of range, [`Error::ProductNotFound`], [`Error::CartFull`], [`Error::CartNotFound`], errors of the
    /// catalog. The cart is then unchanged.
    pub(crate) async fn add(
        &self,
        owner: Option<&Owner>,
        product_id: i32,
        quantity: i32,
    ) -> Result<(PricedCart, Option<GuestToken>), Error> {
        check_quantity(quantity, 1)?;
        if product_id < 1 {
            return Err(Error::ProductNotFound);
        }
        let before = self.load(owner).await?;
        let mut products = Products::default();
        self.catalog.fetch_missing(&mut products, before.product_ids().chain([product_id])).await?;
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
                let (token, hash) = GuestToken::random();
                (Owner::Guest(hash), Some(token))
            }
        };
        // A guest's cart that was deleted concurrently must not be created again with its old token.
        let may_create = token.is_some() || owner.user_id().is_some();
        let mut transaction = self.db.begin().await?;
        items::add(&mut *transaction, &owner, may_create, &line).await?;
        let after = carts::load(&mut *transaction, &owner).await?.ok_or(Error::CartNotFound)?;
        if after.lines.len() > MAX_LINES {
            return Err(Error::CartFull);
        }
        transaction.commit().await?;
        Ok((self.priced(&after, products).await?, token))
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
        let (owner, before) = self.load_with_product(owner, product_id).await?;
        let mut products = Products::default();
        self.catalog.fetch_missing(&mut products, before.product_ids()).await?;
        let product = products.get(product_id);

        let mut transaction = self.db.begin().await?;
        if !items::set(&mut *transaction, owner, product_id, quantity, product).await? {
            return Err(Error::ItemNotFound);
        }
        let after = carts::load(&mut *transaction, owner).await?.ok_or(Error::CartNotFound)?;
        transaction.commit().await?;
        self.priced(&after, products).await
    }

    /// Removes a line.
    ///
    /// # Errors
    /// [`Error::ItemNotFound`], [`Error::CartNotFound`], errors of the catalog. The cart is then unchanged.
    pub(crate) async fn remove(&self, owner: Option<&Owner>, product_id: i32) -> Result<PricedCart, Error> {
        let (owner, before) = self.load_with_product(owner, product_id).await?;
        let mut products = Products::default();
        let remaining = before.product_ids().filter(|id| *id != product_id);
        self.catalog.fetch_missing(&mut products, remaining).await?;

        let mut transaction = self.db.begin().await?;
        if !items::remove(&mut *transaction, owner, product_id).await? {
            return Err(Error::ItemNotFound);
        }
        let after = carts::load(&mut *transaction, owner).await?.ok_or(Error::CartNotFound)?;
        transaction.commit().await?;
        self.priced(&after, products).await
    }

    /// Removes all lines. Works while the catalog is unavailable, since it needs no prices.
    ///
    /// # Errors
    /// [`Error::CartNotFound`] for an expired guest token.
    pub(crate) async fn clear(&self, owner: Option<&Owner>) -> Result<PricedCart, Error> {
        let Some(owner) = owner else {
            return price(&Cart::default(), &Products::default());
        };
        let mut transaction = self.db.begin().await?;
        let cart = match carts::touch(&mut *transaction, owner).await? {
            Some(head) => {
                items::remove_all(&mut *transaction, head.id).await?;
                Cart { version: head.version, updated_at: Some(head.updated_at), lines: Vec::new() }
            }
            None => missing_cart(owner)?,
        };
        transaction.commit().await?;
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

    /// Loads a cart that must contain the product.
    async fn load_with_product<'a>(
        &self,
        owner: Option<&'a Owner>,
        product_id: i32,
    ) -> Result<(&'a Owner, Cart), Error> {
        let cart = self.load(owner).await?;
        owner.filter(|_| cart.contains(product_id)).map(|owner| (owner, cart)).ok_or(Error::ItemNotFound)
    }

    /// Prices a cart after a committed change. A line that was added concurrently must not make this fail, or the client
    /// would repeat the change: if the catalog is unavailable by then, such a line has no details.
    async fn priced(&self, cart: &Cart, mut products: Products) -> Result<PricedCart, Error> {
        match timeout(timeouts::CART_REPRICE, self.catalog.fetch_missing(&mut products, cart.product_ids()))
            .await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!("cannot price concurrently added lines, omitting their details: {error}");
            }
            Err(_) => {
                warn!("cannot price concurrently added lines, omitting their details: catalog timed out");
            }
        }
        price(cart, &products)
    }
}

/// Returns the result of reading a cart that does not exist: an empty cart, or an error for a guest.
fn missing_cart(owner: &Owner) -> Result<Cart, Error> {
    match owner {
        Owner::User(_) => Ok(Cart::default()),
        Owner::Guest(_) => Err(Error::CartNotFound),
    }
}
