//! The checks when schemas are in several databases.
//!
//! A check of one schema runs in its database. The others run in the database of the orders, where the columns that they read
//! from other databases are copied into temporary tables, row by row.
//!
//! The snapshots of the databases are not of the same instant, so a store that is running can violate a rule between them. Such a
//! row is found once: only what a second comparison, a moment later, finds as well is reported.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context as _, ensure};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::sleep;

use super::{CHECKS, Check, Finding, REPORTED_ROWS, Report, find};
use crate::provision::{Logins, is_same_database};

/// Time between the comparisons: longer than a checkout takes, and the deliveries that follow it.
const PAUSE: Duration = Duration::from_secs(5);

const READ: &str = "begin isolation level repeatable read read only";

/// The columns of other services that checks read beside orders, with their types.
const COPIED: [(&str, &str, &str); 8] = [
    ("identity", "users", "id uuid"),
    ("catalog", "products", "id integer"),
    ("catalog", "reservations", "order_id uuid, status text"),
    (
        "catalog",
        "reservation_lines",
        "order_id uuid, product_id integer, quantity integer, name text, price_minor bigint, currency text",
    ),
    (
        "catalog",
        "returns",
        "return_id uuid, order_id uuid, product_id integer, quantity integer, is_restocked boolean",
    ),
    ("cart", "carts", "id uuid, user_id uuid"),
    ("cart", "cart_items", "cart_id uuid, product_id integer, quantity integer"),
    ("cart", "checkouts", "order_id uuid, user_id uuid"),
];

/// Runs all checks.
///
/// # Errors
/// When a database cannot be reached or is not migrated.
pub(super) async fn run(owners: &Logins) -> anyhow::Result<Report> {
    let mut findings = compare(owners, &CHECKS.iter().collect::<Vec<_>>()).await?;
    let suspect: Vec<_> = findings
        .iter()
        .filter(|finding| finding.count > 0 && schemas(finding.check).len() > 1)
        .map(|finding| finding.check)
        .collect();
    if !suspect.is_empty() {
        sleep(PAUSE).await;
        for second in compare(owners, &suspect).await? {
            if let Some(first) = findings.iter_mut().find(|first| first.check.name == second.check.name) {
                *first = found_in_both(first, second);
            }
        }
    }
    Ok(Report { findings })
}

/// Keeps the rows of the second finding that are in the first one, or all if there are too many to compare.
fn found_in_both(first: &Finding, mut second: Finding) -> Finding {
    if first.count > REPORTED_ROWS && second.count > REPORTED_ROWS {
        return second;
    }
    let known: HashSet<_> = first.rows.iter().collect();
    second.rows.retain(|row| known.contains(row));
    second.count = i64::try_from(second.rows.len()).unwrap_or(i64::MAX);
    second
}

/// Runs these checks, each database in one snapshot.
async fn compare(owners: &Logins, checks: &[&'static Check]) -> anyhow::Result<Vec<Finding>> {
    let mut databases: Vec<Database> = Vec::new();
    // The database of the orders is the first one.
    for (schema, owner) in [
        ("orders", &owners.order),
        ("identity", &owners.identity),
        ("catalog", &owners.catalog),
        ("cart", &owners.cart),
    ] {
        match databases.iter_mut().find(|database| is_same_database(database.owner, owner)) {
            Some(database) => database.schemas.push(schema),
            None => databases.push(Database {
                owner,
                schemas: vec![schema],
                db: PgConnection::connect_with(owner).await.context("cannot connect to the database")?,
            }),
        }
    }
    let Some((orders, others)) = databases.split_first_mut() else { return Ok(Vec::new()) };
    let is_copied = |schema: &str| others.iter().any(|database| database.schemas.contains(&schema));
    let copied: Vec<_> = COPIED.into_iter().filter(|(schema, ..)| is_copied(schema)).collect();
    for (schema, table, columns) in &copied {
        let create = format!("create temporary table {schema}_{table} ({columns})");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut orders.db).await?;
    }
    for database in std::iter::once(&mut *orders).chain(&mut *others) {
        // The first statement takes the snapshot.
        sqlx::raw_sql(AssertSqlSafe(format!("{READ}; select 1"))).execute(&mut database.db).await?;
    }
    let needs_copies = |check: &&&Check| {
        let schemas = schemas(check);
        schemas.len() > 1 && schemas.iter().any(|schema| copied.iter().any(|(copied, ..)| copied == schema))
    };
    if checks.iter().any(|check| needs_copies(&check)) {
        for (schema, table, columns) in &copied {
            let from = others.iter_mut().find(|database| database.schemas.contains(schema));
            let from = from.context("a copied schema is in another database")?;
            copy(&mut from.db, &mut orders.db, schema, table, columns).await?;
        }
    }

    let mut findings = Vec::new();
    for check in checks {
        let schemas = schemas(check);
        let (db, sql) = if needs_copies(&check) {
            (&mut orders.db, with_copies(&check.sql, &copied))
        } else {
            let holds_all =
                |database: &&mut Database| schemas.iter().all(|schema| database.schemas.contains(schema));
            let database = std::iter::once(&mut *orders).chain(&mut *others).find(holds_all);
            (&mut database.context("a check of one database")?.db, check.sql.to_string())
        };
        findings.push(find(db, check, &sql).await?);
    }
    for database in databases {
        database.db.close().await?;
    }
    Ok(findings)
}

struct Database<'a> {
    owner: &'a PgConnectOptions,
    schemas: Vec<&'static str>,
    db: PgConnection,
}

/// Copies columns of a table into the temporary table for it.
async fn copy(
    from: &mut PgConnection,
    to: &mut PgConnection,
    schema: &str,
    table: &str,
    columns: &str,
) -> anyhow::Result<()> {
    let names: Vec<_> = columns.split(", ").filter_map(|column| column.split(' ').next()).collect();
    let copy_out = format!("copy (select {} from {schema}.{table}) to stdout", names.join(", "));
    let mut rows = from
        .copy_out_raw(&copy_out)
        .await
        .with_context(|| format!("cannot read {schema}.{table}: run `bodega migrate` first"))?;
    let mut copy = to.copy_in_raw(&format!("copy pg_temp.{schema}_{table} from stdin")).await?;
    while let Some(chunk) = rows.try_next().await? {
        copy.send(&*chunk).await?;
    }
    copy.finish().await?;
    drop(rows);
    // Otherwise the planner expects few rows, and chooses nested loops.
    sqlx::raw_sql(AssertSqlSafe(format!("analyze pg_temp.{schema}_{table}"))).execute(to).await?;
    Ok(())
}

/// Replaces the names of copied tables.
fn with_copies(sql: &str, copied: &[(&str, &str, &str)]) -> String {
    copied.iter().fold(sql.to_owned(), |sql, (schema, table, _)| {
        sql.replace(&format!("{schema}.{table}"), &format!("pg_temp.{schema}_{table}"))
    })
}

/// The schemas whose tables a check reads.
fn schemas(check: &Check) -> Vec<&'static str> {
    let statement: String =
        check.sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let names: HashSet<_> = statement.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').collect();
    let is_read = |schema: &&str| {
        let prefix = format!("{schema}.");
        names.iter().any(|name| name.starts_with(&prefix))
    };
    ["identity", "catalog", "cart", "orders"].into_iter().filter(is_read).collect()
}

/// Repairs need the locks of all their rows in one transaction.
///
/// # Errors
/// When the schemas are in several databases.
pub(super) fn ensure_one_database(owners: &Logins) -> anyhow::Result<()> {
    ensure!(
        owners.by_database().len() == 1,
        "`bodega verify --repair` needs all schemas in one database: a repair locks rows of several schemas"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_another_schema_is_copied() {
        let mut compared = 0;
        for check in CHECKS.iter() {
            if schemas(check).len() > 1 {
                compared += 1;
                let statement = check.sql.lines().filter(|line| !line.starts_with("--"));
                let statement = with_copies(&statement.collect::<Vec<_>>().join("\n"), &COPIED);
                for schema in ["identity.", "catalog.", "cart."] {
                    assert!(!statement.contains(&format!(" {schema}")), "{}: {statement}", check.name);
                }
            } else {
                assert_eq!(schemas(check).len(), 1, "{}", check.name);
            }
        }
        assert_eq!(compared, 8);
    }
}
