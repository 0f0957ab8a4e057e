//! The three logs differ in their schema only.

const MIGRATIONS: [(&str, &str); 3] = [
    ("catalog", include_str!("../../../../services/catalog/migrations/0006_audit.sql")),
    ("identity", include_str!("../../../../services/identity/migrations/0008_audit.sql")),
    ("orders", include_str!("../../../../services/order/migrations/0008_audit.sql")),
];

#[test]
fn the_logs_have_the_same_tables_and_functions() {
    let common = MIGRATIONS.map(|(schema, sql)| {
        let lines = sql.lines().filter(|line| !line.starts_with("--"));
        let sql = lines.collect::<Vec<_>>().join("\n");
        sql.replace("pg_catalog", "pg").replace(&format!("{schema}."), "schema.")
    });
    assert!(common.iter().all(|sql| *sql == common[0]));
}
