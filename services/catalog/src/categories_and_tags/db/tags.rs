//! `catalog.tags`.

super::labels::label_store! {
    table: "catalog.tags",
    // Those that are archived are few: it is faster to leave them out than to look every other product up.
    product_count: "select count(*)
         from catalog.product_tags pt
         where pt.tag_id = n.id and not exists (
             select from catalog.products p where p.id = pt.product_id and p.archived_at is not null
         )",
    product_ids: "select product_id from catalog.product_tags where tag_id = $1"
}
