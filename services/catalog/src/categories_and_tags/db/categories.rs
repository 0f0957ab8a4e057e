//! `catalog.categories`.

super::labels::label_store! {
    table: "catalog.categories",
    product_count: "select count(*) from catalog.products p where p.category_id = n.id and p.archived_at is null",
    product_ids: "select id from catalog.products where category_id = $1"
}
