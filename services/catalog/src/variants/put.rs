//! Declaring all variants of a product, or changing one.

use bodega_audit::{Event, Subject};
use bodega_proto::catalog::v1::{PutVariantsRequest, UpdateVariantRequest};
use bodega_runtime::{
    auth::Caller,
    database::{Pool, retry_on_conflict},
    money::Currency,
    status::Violations,
};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{
    db::{self, LockedVariants, Scope, Variant},
    matching::match_variants,
    stored::StoredVariant,
    update::VariantUpdate,
    variant::Declaration,
};
use crate::{
    AUDIT,
    error::Error,
    products::{self, Product},
};

/// A product has at most so many variants, archived ones included: their rows stay, because orders and carts name them.
const MAX_ROWS: usize = 1_000;

/// The result of [`put`] and [`update`].
pub(crate) struct Put {
    pub(crate) variants: Vec<Variant>,
    pub(crate) product: Product,
}

/// Declares all variants of a product. Changes nothing, and no version, if the product has them already.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::VersionMismatch`], [`Error::SkuExists`], [`Error::Invalid`].
pub(crate) async fn put(
    db: &Pool,
    caller: &Caller,
    currency: Currency,
    request: PutVariantsRequest,
) -> Result<Put, Error> {
    let (product_id, expected_version) = (request.product_id, request.expected_version);
    let write = Write::All(Declaration::parse(request, currency)?);
    retry_on_conflict(|| try_put(db, caller, currency, product_id, expected_version, &write)).await
}

/// Changes one variant. The currency of the prices stays, unless the only variant gets a new price.
///
/// # Errors
/// [`Error::VariantNotFound`], [`Error::Invalid`] also for a price in another currency than that of the other variants, and as
/// [`put`].
pub(crate) async fn update(
    db: &Pool,
    caller: &Caller,
    currency: Currency,
    request: UpdateVariantRequest,
) -> Result<Put, Error> {
    let (id, expected_version) = (request.id, request.expected_version);
    let update = VariantUpdate::parse(request)?;
    let product_id = db::find_product(db, id).await?.ok_or(Error::VariantNotFound)?;
    let write = Write::One(id, update);
    retry_on_conflict(|| try_put(db, caller, currency, product_id, expected_version, &write)).await
}

/// Declares the variants of a new product, which no audit event records.
///
/// # Errors
/// As [`put`].
pub(crate) async fn insert(
    db: &mut PgConnection,
    currency: Currency,
    request: PutVariantsRequest,
) -> Result<(), Error> {
    let product_id = request.product_id;
    let all = Write::All(Declaration::parse(request, currency)?);
    write(db, currency, product_id, None, &all).await.map(drop)
}

/// What is written.
enum Write {
    /// All variants of a product.
    All(Declaration),
    /// A change of the variant with this id.
    One(i32, VariantUpdate),
}

impl Write {
    /// A change of one variant neither reads nor locks archived ones.
    fn scope(&self) -> Scope {
        match self {
            Self::All(_) => Scope::All,
            Self::One(..) => Scope::Sold,
        }
    }

    /// Returns all variants that the product is to have instead of those `before`.
    fn declaration(&self, before: &[Variant], currency: Currency) -> Result<Declaration, Error> {
        match self {
            Self::All(declaration) => Ok(declaration.clone()),
            Self::One(id, update) => update.apply(*id, before, currency),
        }
    }
}

async fn try_put(
    db: &Pool,
    caller: &Caller,
    currency: Currency,
    product_id: i32,
    expected_version: Option<i64>,
    new: &Write,
) -> Result<Put, Error> {
    let mut transaction = db.begin().await?;
    let (put, change) = write(&mut transaction, currency, product_id, expected_version, new).await?;
    let Some(Change { before, after }) = change else {
        transaction.rollback().await?;
        return Ok(put);
    };
    let event = Event::new("product.variants_changed", caller).on(Subject::new("product", product_id));
    AUDIT.record(&mut transaction, event.change(Some(&before), Some(&after))).await?;
    transaction.commit().await?;
    Ok(put)
}

/// The states of a product that an audit event contains.
struct Change {
    before: Value,
    after: Value,
}

/// Writes the variants of a product that differ from those that it has.
async fn write(
    db: &mut PgConnection,
    currency: Currency,
    product_id: i32,
    expected_version: Option<i64>,
    new: &Write,
) -> Result<(Put, Option<Change>), Error> {
    let LockedVariants { version, rows } =
        db::lock(&mut *db, product_id, new.scope()).await?.ok_or(Error::ProductNotFound)?;
    if expected_version.is_some_and(|expected| expected != version) {
        return Err(Error::VersionMismatch { actual: version });
    }
    let before = db::find(&mut *db, product_id, new.scope()).await?;
    let declaration = new.declaration(&before, currency)?;
    let currency = declaration.currency.as_str();
    check_images(&mut *db, product_id, &declaration).await?;
    let matches = match_variants(&before, &declaration.variants).map_err(unknown_id)?;
    check_rows(rows, &matches.ids)?;
    let ids = db::insert_rows(&mut *db, product_id, currency, &matches.ids).await?;
    let stored = ids.iter().zip(&declaration.variants).enumerate().map(|(position, (id, variant))| {
        let existing = before.iter().find(|existing| existing.id == *id);
        StoredVariant::new(*id, position, variant, existing.map_or(0, |existing| existing.stock))
    });
    let stored: Vec<_> = stored.collect();
    let is_unchanged = matches.archived.is_empty()
        && before.first().is_some_and(|first| first.option_names == declaration.option_names)
        && stored.iter().all(|variant| before.iter().any(|existing| variant.equals(existing, currency)));
    if is_unchanged {
        let product =
            products::db::products::find(&mut *db, product_id).await?.ok_or(Error::ProductNotFound)?;
        return Ok((Put { variants: sold(before), product }, None));
    }

    let has_others = rows > 1 || ids != [product_id];
    db::archive(&mut *db, &matches.archived).await?;
    db::store(&mut *db, product_id, currency, &stored, has_others).await?;
    db::update_product(&mut *db, product_id, currency, &declaration.option_names, &stored).await?;
    let product = products::db::products::find(&mut *db, product_id).await?.ok_or(Error::ProductNotFound)?;
    let after = db::find(&mut *db, product_id, Scope::Sold).await?;
    let change = Change { before: audited(&before), after: audited(&after) };
    Ok((Put { variants: after, product }, Some(change)))
}

/// # Errors
/// [`Error::Invalid`] if the product gets new variants, and then has more than [`MAX_ROWS`]. `ids` are those of the declared ones.
fn check_rows(rows: i64, ids: &[Option<i32>]) -> Result<(), Violations> {
    let added = ids.iter().filter(|id| id.is_none()).count();
    let fits = added == 0 || usize::try_from(rows).is_ok_and(|rows| rows + added <= MAX_ROWS);
    let mut violations = Violations::new();
    let message = format!(
        "must not add variants beyond {MAX_ROWS} of a product, including those that can no longer be ordered"
    );
    violations.require(fits, "variants", message);
    violations.finish()
}

/// # Errors
/// [`Error::Invalid`] for an image that is not one of the product's.
async fn check_images(
    db: &mut PgConnection,
    product_id: i32,
    declaration: &Declaration,
) -> Result<(), Error> {
    if declaration.variants.iter().all(|variant| variant.image_id.is_none()) {
        return Ok(());
    }
    let product = products::db::products::find(db, product_id).await?.ok_or(Error::ProductNotFound)?;
    let mut violations = Violations::new();
    for (index, variant) in declaration.variants.iter().enumerate() {
        let is_known = variant.image_id.is_none_or(|id| product.images.iter().any(|image| image.id == id));
        let field = declaration.field(index, "image_id");
        violations.require(is_known, &field, "must be the id of an image of the product");
    }
    Ok(violations.finish()?)
}

fn sold(variants: Vec<Variant>) -> Vec<Variant> {
    variants.into_iter().filter(|variant| variant.is_sold).collect()
}

fn unknown_id(index: usize) -> Violations {
    let mut violations = Violations::new();
    violations.add(format!("variants[{index}].id"), "must be a variant of the product");
    violations
}

/// Returns the state that audit events contain, by id.
fn audited(variants: &[Variant]) -> Value {
    let sold = variants.iter().filter(|variant| variant.is_sold);
    let fields = sold.map(|variant| {
        let details = json!({
            "sku": variant.sku,
            "options": variant.option_values,
            "priceMinor": variant.price_minor,
            "stock": variant.stock,
        });
        (variant.id.to_string(), details)
    });
    Value::Object(fields.collect())
}
