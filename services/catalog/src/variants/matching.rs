//! Which declared variant is which existing one.

use std::collections::HashSet;

use super::{db::Variant, variant::DeclaredVariant};

/// Returns whether a declared variant is this existing one.
type Criterion<'a> = &'a dyn Fn(&Variant, &DeclaredVariant) -> bool;

/// What becomes of the variants of a product.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matches {
    /// For each declared variant, the id of the existing one that it is; `None` if it is new.
    pub(super) ids: Vec<Option<i32>>,
    /// Variants that are sold and not declared any more.
    pub(super) archived: Vec<i32>,
}

/// Matches by id first, then by SKU, then by options, each for all declared variants: so a variant that one of them names by id is
/// not taken for another. The variant of a product that had no options becomes the first one that is not matched. Last come
/// archived variants, by SKU and then by options: one that returns is the same as before, for carts and orders that name it.
///
/// # Errors
/// The index of a declared variant whose id is not one of this product.
pub(super) fn match_variants(existing: &[Variant], declared: &[DeclaredVariant]) -> Result<Matches, usize> {
    let mut ids = vec![None; declared.len()];
    for (index, variant) in declared.iter().enumerate() {
        let Some(id) = variant.id else { continue };
        ids[index] = Some(existing.iter().find(|existing| existing.id == id).ok_or(index)?.id);
    }
    let same_sku = |existing: &Variant, declared: &DeclaredVariant| {
        let sku = existing.sku.as_deref().map(str::to_lowercase);
        sku.is_some() && sku == declared.sku_key()
    };
    let same_options =
        |existing: &Variant, declared: &DeclaredVariant| existing.option_values == declared.option_values;
    let had_no_options = |existing: &Variant, _: &DeclaredVariant| existing.option_values.is_empty();
    let criteria: [(bool, Criterion<'_>); 5] = [
        (true, &same_sku),
        (true, &same_options),
        (true, &had_no_options),
        (false, &same_sku),
        (false, &same_options),
    ];
    let mut matched: HashSet<i32> = ids.iter().flatten().copied().collect();
    for (is_sold, is_same) in criteria {
        for (index, variant) in declared.iter().enumerate() {
            if ids[index].is_some() {
                continue;
            }
            let is_match = |other: &&Variant| {
                other.is_sold == is_sold && !matched.contains(&other.id) && is_same(other, variant)
            };
            let mut candidates = existing.iter().filter(is_match);
            // Of several archived ones, the newest.
            let found =
                if is_sold { candidates.next() } else { candidates.max_by_key(|candidate| candidate.id) };
            ids[index] = found.map(|found| found.id);
            matched.extend(ids[index]);
        }
    }
    let is_gone = |variant: &&Variant| variant.is_sold && !matched.contains(&variant.id);
    let archived = existing.iter().filter(is_gone).map(|variant| variant.id).collect();
    Ok(Matches { ids, archived })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn existing(id: i32, sku: &str, option: &str) -> Variant {
        let sku = Some(sku.to_owned()).filter(|sku| !sku.is_empty());
        Variant { id, sku, option_values: vec![option.to_owned()], is_sold: true, ..Variant::default() }
    }

    fn declared(id: i32, sku: &str, option: &str) -> DeclaredVariant {
        DeclaredVariant {
            id: Some(id).filter(|id| *id > 0),
            sku: Some(sku.to_owned()).filter(|sku| !sku.is_empty()),
            option_values: vec![option.to_owned()],
            ..DeclaredVariant::default()
        }
    }

    fn matches(existing: &[Variant], declared: &[DeclaredVariant]) -> (Vec<Option<i32>>, Vec<i32>) {
        let matches = match_variants(existing, declared).unwrap();
        (matches.ids, matches.archived)
    }

    #[test]
    fn matches_by_id_then_by_sku_then_by_options() {
        let before = [existing(1, "A", "S"), existing(2, "B", "M"), existing(3, "", "L")];
        let after = [declared(2, "", "S"), declared(0, "a", "XL"), declared(0, "C", "L")];
        assert_eq!(matches(&before, &after), (vec![Some(2), Some(1), Some(3)], vec![]));
    }

    #[test]
    fn a_variant_that_is_named_by_its_id_is_not_taken_for_another() {
        let before = [existing(1, "A", "S"), existing(2, "B", "M")];
        assert_eq!(
            matches(&before, &[declared(0, "", "S"), declared(1, "", "M")]),
            (vec![None, Some(1)], vec![2])
        );
        // Nor one with the SKU of another declared variant.
        assert_eq!(
            matches(&before, &[declared(0, "", "M"), declared(0, "B", "S")]),
            (vec![None, Some(2)], vec![1])
        );
    }

    #[test]
    fn the_variant_of_a_product_without_options_becomes_the_first_that_is_not_matched() {
        let before = [Variant { id: 1, is_sold: true, ..Variant::default() }];
        assert_eq!(
            matches(&before, &[declared(0, "", "S"), declared(0, "", "M")]),
            (vec![Some(1), None], vec![])
        );
        assert_eq!(
            matches(&before, &[declared(0, "", "S"), declared(1, "", "M")]),
            (vec![None, Some(1)], vec![])
        );
    }

    #[test]
    fn new_variants_have_no_match_and_others_are_archived() {
        let before = [existing(1, "A", "S"), existing(2, "B", "M")];
        assert_eq!(matches(&before, &[declared(0, "C", "L")]), (vec![None], vec![1, 2]));
        assert_eq!(matches(&before, &[declared(0, "", "S"), declared(0, "", "M")]).1, [0; 0]);
    }

    #[test]
    fn archived_variants_are_matched_after_those_that_are_sold() {
        let archived = |id, sku, option| Variant { is_sold: false, ..existing(id, sku, option) };
        let before =
            [archived(1, "A", "S"), existing(2, "B", "M"), archived(3, "A", "M"), archived(4, "", "L")];
        assert_eq!(matches(&before, &[declared(1, "A", "S")]), (vec![Some(1)], vec![2]));
        assert_eq!(matches(&before, &[declared(0, "a", "XL")]), (vec![Some(3)], vec![2]));
        let after =
            [declared(0, "", "S"), declared(0, "A", "M"), declared(0, "C", "L"), declared(0, "", "XL")];
        assert_eq!(matches(&before, &after), (vec![Some(1), Some(2), Some(4), None], vec![]));
        // A product with options is not the archived variant from before them.
        let without_options = Variant { id: 5, ..Variant::default() };
        assert_eq!(matches(&[without_options], &[declared(0, "", "S")]), (vec![None], vec![]));
    }

    #[test]
    fn the_id_of_another_product_is_rejected() {
        assert_eq!(
            match_variants(&[existing(1, "", "S")], &[declared(0, "", "S"), declared(2, "", "M")]),
            Err(1)
        );
    }
}
