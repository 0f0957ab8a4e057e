//! The variant that is added to a cart.

use std::fmt::Write as _;

use bodega_proto::catalog::v1::{Product, Variant};

use crate::{
    catalog::{self, Catalog, Products},
    error::Error,
};

/// Maximum length of the choices in an error, in bytes.
const MAX_CHOICES_LENGTH: usize = 2_000;

/// What a client adds to a cart. An id is 0 if the client sends none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) product_id: i32,
    pub(crate) variant_id: i32,
}

/// Returns the id of the variant that is meant, which `products` contains afterwards: the one that is named, or the only one of the
/// product.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::VariantNotFound`], [`Error::VariantRequired`], errors of the catalog.
pub(crate) async fn choose(catalog: &Catalog, products: &mut Products, item: Item) -> Result<i32, Error> {
    let Item { product_id, variant_id } = item;
    if variant_id != 0 {
        let variant = fetch(catalog, products, variant_id).await?.filter(|variant| !variant.archived);
        let is_known = variant.is_some_and(|found| [0, catalog::product_id(found)].contains(&product_id));
        return if is_known { Ok(variant_id) } else { Err(Error::VariantNotFound) };
    }
    let product = fetch(catalog, products, product_id).await?;
    // Another variant than the first has no id of a product.
    let product = product.filter(|product| catalog::product_id(product) == product_id);
    let product = product.ok_or(Error::ProductNotFound)?;
    if product.variant_count <= 1 && !product.archived {
        return Ok(product_id);
    }
    if product.variant_count == 0 {
        return Err(Error::ProductNotFound);
    }
    match &*catalog.variants(product_id).await? {
        [] => Err(Error::ProductNotFound),
        [only] => {
            fetch(catalog, products, only.id).await?;
            Ok(only.id)
        }
        several => Err(Error::VariantRequired { choices: describe(several) }),
    }
}

async fn fetch<'a>(
    catalog: &Catalog,
    products: &'a mut Products,
    id: i32,
) -> Result<Option<&'a Product>, Error> {
    if id < 1 {
        return Ok(None);
    }
    catalog.fetch_missing(products, [id].into_iter()).await?;
    Ok(products.get(id))
}

/// Returns the ids and options of variants: `7 (M / red), 8 (L / red)`.
fn describe(variants: &[Variant]) -> String {
    let mut choices = String::new();
    for variant in variants {
        if choices.len() > MAX_CHOICES_LENGTH {
            choices.push_str(", …");
            break;
        }
        let separator = if choices.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(choices, "{separator}{} ({})", variant.id, variant.option_values.join(" / "));
    }
    choices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_name_ids_and_options_up_to_a_length() {
        let variant = |id, option: &str| Variant {
            id,
            option_values: vec![option.to_owned(), "red".to_owned()],
            ..Variant::default()
        };
        assert_eq!(describe(&[variant(7, "M"), variant(8, "L")]), "7 (M / red), 8 (L / red)");
        let many: Vec<_> = (0..250).map(|id| variant(id, &"x".repeat(50))).collect();
        let choices = describe(&many);
        assert!(choices.len() < 2_200 && choices.ends_with(", …"), "{choices}");
    }
}
