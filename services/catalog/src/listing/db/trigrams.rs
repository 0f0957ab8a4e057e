//! Whether, and where, this database has pg_trgm.

use sqlx::PgExecutor;

/// The schema of pg_trgm, quoted, where names have an index of trigrams that this role may use.
pub(crate) async fn schema(db: impl PgExecutor<'_>) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"select quote_ident(n.nspname) as "schema!"
           from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
           where e.extname = 'pg_trgm'
             and has_schema_privilege(n.oid, 'usage')
             and to_regclass('catalog.products_by_name_trigrams') is not null"#
    )
    .fetch_optional(db)
    .await
}
