//! Cached products and pages.

use std::sync::{Arc, OnceLock};

use bodega_proto::catalog::v1::{ListProductsResponse, Product, ProductChange};

/// A product as it was at a version. Cheap to clone.
#[derive(Debug)]
pub struct CachedProduct<R> {
    details: Arc<Details<R>>,
    version: i64,
    stock: i32,
}

/// All that changes rarely. The stock and version of `product` are those at which it was read.
#[derive(Debug)]
struct Details<R> {
    product: Product,
    /// Whether the product was read with its variants. An empty list of them means something else then.
    has_variants: bool,
    rendered: OnceLock<R>,
    weight: usize,
}

impl<R> Clone for CachedProduct<R> {
    fn clone(&self) -> Self {
        Self { details: self.details.clone(), ..*self }
    }
}

impl<R> CachedProduct<R> {
    pub(super) fn new(product: Product, has_variants: bool) -> Self {
        let (version, stock) = (product.version, product.stock);
        let weight = weight(&product);
        let details = Details { product, has_variants, rendered: OnceLock::new(), weight };
        Self { details: Arc::new(details), version, stock }
    }

    /// Id of the product.
    pub fn id(&self) -> i32 {
        self.details.product.id
    }

    /// Version of the product.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Units in stock.
    pub fn stock(&self) -> i32 {
        self.stock
    }

    /// The product, with the stock and version at which its details were read, which may be older than
    /// [`stock`](Self::stock) and [`version`](Self::version). That of a list which omits variants may have none.
    pub fn details(&self) -> &Product {
        &self.details.product
    }

    /// Returns a copy of the product, with its current stock and version.
    pub fn to_product(&self) -> Product {
        let mut product = self.details.product.clone();
        (product.version, product.stock) = (self.version, self.stock);
        // Changes of the stock are applied only if there are no other variants.
        if let [variant] = &mut *product.variants {
            variant.stock = Some(self.stock);
        }
        product
    }

    /// Returns the rendering of the details, which is made once. It must not contain stock and version.
    pub fn rendered(&self, render: impl FnOnce(&Product) -> R) -> &R {
        self.details.rendered.get_or_init(|| render(&self.details.product))
    }

    pub(super) fn weight(&self) -> usize {
        self.details.weight
    }

    pub(super) fn has_variants(&self) -> bool {
        self.details.has_variants
    }

    /// Returns the product after a change, or `None` if it has to be read again.
    pub(super) fn after(&self, change: &ProductChange) -> Option<Self> {
        if change.version <= self.version {
            return Some(self.clone());
        }
        let is_stock_only = change.details_version <= self.version;
        is_stock_only.then(|| Self {
            details: self.details.clone(),
            version: change.version,
            stock: change.stock,
        })
    }
}

/// A page of products.
#[derive(Debug)]
pub struct Page<R> {
    /// The products, in order.
    pub products: Vec<CachedProduct<R>>,
    /// The response of the catalog, without its products.
    pub response: Arc<ListProductsResponse>,
    /// The generation of the cache from which the products are; `None` if they are from a call, which a change may have
    /// overtaken.
    pub(super) generation: Option<u64>,
}

/// Estimates the bytes that a product occupies in the cache, with a rendering of about the same size.
fn weight(product: &Product) -> usize {
    /// An entry of the map and the list of the cache, reference counts, the rendering's fixed parts.
    const ENTRY: usize = 512;
    /// Name of a JSON field with its quotes and separators.
    const FIELD: usize = 24;
    let texts = [&product.name, &product.description, &product.currency];
    let tags = product.tags.iter().map(|tag| size_of_val(tag) + FIELD + 2 * tag.name.len());
    let images = product
        .images
        .iter()
        .map(|image| size_of_val(image) + 3 * FIELD + 2 * (image.url.len() + image.thumbnail_url.len()));
    let category = product.category.as_ref().map_or(0, |category| FIELD + 2 * category.name.len());
    let variants = product.variants.iter().map(|variant| {
        let texts = [&variant.sku, &variant.barcode, &variant.tax_class];
        let options = product.option_names.iter().chain(&variant.option_values);
        // The name repeats the values of the options.
        size_of_val(variant)
            + 10 * FIELD
            + 2 * texts.into_iter().map(String::len).sum::<usize>()
            + options.map(|option| size_of::<String>() + FIELD + 3 * option.len()).sum::<usize>()
    });
    let image_url = product.images.first().map_or(0, |image| image.url.len());
    ENTRY
        + size_of::<Product>()
        + 2 * texts.map(String::len).iter().sum::<usize>()
        + tags.sum::<usize>()
        + images.sum::<usize>()
        + variants.sum::<usize>()
        + category
        + image_url
}

#[cfg(test)]
mod tests {
    use bodega_proto::catalog::v1::Variant;

    use super::*;

    fn product(version: i64, stock: i32) -> CachedProduct<()> {
        CachedProduct::new(Product { id: 1, version, stock, ..Product::default() }, true)
    }

    fn change(version: i64, details_version: i64, stock: i32) -> ProductChange {
        ProductChange { product_id: 1, version, details_version, stock }
    }

    #[test]
    fn a_change_of_stock_is_applied_to_the_cached_product() {
        let changed = product(3, 10).after(&change(5, 3, 7)).unwrap();
        assert_eq!((changed.version(), changed.stock()), (5, 7));
        assert_eq!((changed.to_product().version, changed.to_product().stock), (5, 7));
    }

    #[test]
    fn a_change_of_stock_is_also_one_of_the_only_variant() {
        let variant = Variant { id: 1, stock: Some(10), ..Variant::default() };
        let product = Product { id: 1, version: 3, stock: 10, variants: vec![variant], ..Product::default() };
        let changed = CachedProduct::<()>::new(product, true).after(&change(4, 3, 7)).unwrap();
        assert_eq!(changed.to_product().variants[0].stock, Some(7));
    }

    #[test]
    fn an_older_change_is_ignored() {
        let unchanged = product(5, 7).after(&change(4, 4, 8)).unwrap();
        assert_eq!((unchanged.version(), unchanged.stock()), (5, 7));
    }

    #[test]
    fn a_product_with_other_details_is_read_again() {
        assert!(product(3, 10).after(&change(5, 4, 10)).is_none());
        // Also if a later change of the stock arrives first.
        let changed = product(3, 10).after(&change(4, 1, 9)).unwrap();
        assert!(changed.after(&change(6, 5, 8)).is_none());
    }
}
