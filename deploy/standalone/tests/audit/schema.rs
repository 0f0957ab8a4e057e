//! The three logs differ in their schema only.

const MIGRATIONS: [(&str, &str); 3] = [
    ("catalog", include_str!("../../../../services/catalog/migrations/0006_audit.sql")),
    ("identity", include_str!("../../../../services/identity/migrations/0008_audit.sql")),
    ("orders", include_str!("../../../../services/order/migrations/0008_audit.sql")),
];
const CHECKS: [(&str, &str); 3] = [
    ("catalog", include_str!("../../src/verify/sql/audit_log_catalog.sql")),
    ("identity", include_str!("../../src/verify/sql/audit_log_identity.sql")),
    ("orders", include_str!("../../src/verify/sql/audit_log_orders.sql")),
];

#[test]
fn the_logs_have_the_same_tables_functions_and_checks() {
    for files in [MIGRATIONS, CHECKS] {
        let common = files.map(|(schema, sql)| {
            let lines = sql.lines().filter(|line| !line.starts_with("--"));
            let sql = lines.collect::<Vec<_>>().join("\n");
            sql.replace("pg_catalog", "pg").replace(&format!("{schema}."), "schema.")
        });
        assert!(common.iter().all(|sql| *sql == common[0]));
    }
}
