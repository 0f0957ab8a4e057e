//! What a shopper does with a cart: look, add, set, remove, clear.
//!
//! Each change goes the same way: read the lines, ask the catalog about them in one call, write and read back in one
//! transaction, answer with the prices fetched before.

use bodega_proto::cart::v1::Cart as PricedCart;
use bodega_runtime::timeouts;
use sqlx::PgPool;
use tokio::time::timeout;
use tracing::warn;

use crate::{
    cart::{Cart, Line, MAX_LINES, check_quantity},
    catalog::{Catalog, Products},
    error::Error,
    owner::{GuestToken, Owner},
    pricing::price,
    store::{carts, items},
};

/// Carts, for those who shop with them. An `owner` of `None` is a guest who has none yet.
pub(crate) struct Shopping {
    db: PgPool,
    catalog: Catalog,
}

impl Shopping {
    /// Carts in `db`, priced by `catalog`.
    pub(crate) fn new(db: PgPool, catalog: Catalog) -> Self {
        Self { db, catalog }
    }

    /// The cart as it stands; an empty one where there is none.
    ///
    /// # Errors
    /// [`Error::CartNotFound`] for a guest's token that has ended; the catalog's.
    pub(crate) async fn get(&self, owner: Option<&Owner>) -> Result<PricedCart, Error> {
        let cart = self.load(owner).await?;
        let mut products = Products::default();
        self.catalog.complete(&mut products, cart.product_ids()).await?;
        price(&cart, &products)
    }

    /// Adds `quantity` to a line, or makes it. Makes the cart too, where there is none; a guest's comes with a token.
    ///
    /// More than there is in stock may be added: the line says that it is not available.
    ///
    /// # Errors
    /// Nothing has changed: a quantity out of bounds, [`Error::ProductNotFound`], [`Error::CartFull`],
    /// [`Error::CartNotFound`]; the catalog's.
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
        self.catalog.complete(&mut products, before.product_ids().chain([product_id])).await?;
        let product =
            products.get(product_id).filter(|product| !product.archived).ok_or(Error::ProductNotFound)?;
        let line = Line {
            product_id,
            quantity,
            seen_price_minor: product.price_minor,
            currency: product.currency.clone(),
        };

        let (owner, token) = match owner {
            Some(owner) => (*owner, None),
            None => {
                let (token, hash) = GuestToken::random();
                (Owner::Guest(hash), Some(token))
            }
        };
        // A guest's cart that has ended meanwhile must not come back to life under its old token.
        let may_create = token.is_some() || owner.user_id().is_some();
        let mut transaction = self.db.begin().await?;
        items::add(&mut *transaction, &owner, may_create, &line).await?;
        let after = carts::load(&mut *transaction, &owner).await?.ok_or(Error::CartNotFound)?;
        if after.lines.len() > MAX_LINES {
            return Err(Error::CartFull);
        }
        transaction.commit().await?;
        Ok((self.answer(&after, products).await?, token))
    }

    /// Sets the quantity of a line; 0 removes it. Whether the product is still sold does not matter.
    ///
    /// # Errors
    /// Nothing has changed: a quantity out of bounds, [`Error::ItemNotFound`], [`Error::CartNotFound`]; the
    /// catalog's.
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
        let (owner, before) = self.holding(owner, product_id).await?;
        let mut products = Products::default();
        self.catalog.complete(&mut products, before.product_ids()).await?;
        let product = products.get(product_id);

        let mut transaction = self.db.begin().await?;
        if !items::set(&mut *transaction, owner, product_id, quantity, product).await? {
            return Err(Error::ItemNotFound);
        }
        let after = carts::load(&mut *transaction, owner).await?.ok_or(Error::CartNotFound)?;
        transaction.commit().await?;
        self.answer(&after, products).await
    }

    /// Removes a line.
    ///
    /// # Errors
    /// Nothing has changed: [`Error::ItemNotFound`], [`Error::CartNotFound`]; the catalog's.
    pub(crate) async fn remove(&self, owner: Option<&Owner>, product_id: i32) -> Result<PricedCart, Error> {
        let (owner, before) = self.holding(owner, product_id).await?;
        let mut products = Products::default();
        let remaining = before.product_ids().filter(|id| *id != product_id);
        self.catalog.complete(&mut products, remaining).await?;

        let mut transaction = self.db.begin().await?;
        if !items::remove(&mut *transaction, owner, product_id).await? {
            return Err(Error::ItemNotFound);
        }
        let after = carts::load(&mut *transaction, owner).await?.ok_or(Error::CartNotFound)?;
        transaction.commit().await?;
        self.answer(&after, products).await
    }

    /// Removes every line. Needs no prices, so it works while the catalog is down.
    ///
    /// # Errors
    /// [`Error::CartNotFound`] for a guest's token that has ended.
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
            None => absent(owner)?,
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
            None => absent(owner),
        }
    }

    /// The cart, which must have a line of the product.
    async fn holding<'a>(
        &self,
        owner: Option<&'a Owner>,
        product_id: i32,
    ) -> Result<(&'a Owner, Cart), Error> {
        let cart = self.load(owner).await?;
        owner.filter(|_| cart.holds(product_id)).map(|owner| (owner, cart)).ok_or(Error::ItemNotFound)
    }

    /// The answer to a change that is done. It must not fail for a line that somebody else added meanwhile: the
    /// shopper would do it again. Should the catalog have gone away since it was asked, such a line has no details yet.
    async fn answer(&self, cart: &Cart, mut products: Products) -> Result<PricedCart, Error> {
        match timeout(timeouts::CART_REPRICE, self.catalog.complete(&mut products, cart.product_ids())).await
        {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => warn!("cannot price lines that were added meanwhile: {cause}"),
            Err(_) => warn!("cannot price lines that were added meanwhile: the catalog takes too long"),
        }
        price(cart, &products)
    }
}

/// What stands for a cart that is not there.
fn absent(owner: &Owner) -> Result<Cart, Error> {
    match owner {
        Owner::User(_) => Ok(Cart::default()),
        Owner::Guest(_) => Err(Error::CartNotFound),
    }
}
