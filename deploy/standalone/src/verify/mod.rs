//! Checks of the data across the four schemas: in one snapshot of the database, or over [several](separate) databases.
//!
//! [`checks`] lists the checks; each is a query for the rows that violate it. [`repair`] repairs what is safe to repair.

mod checks;
pub mod repair;
mod separate;

use std::fmt;

use anyhow::Context as _;
use bodega_runtime::database::Pool;
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgConnection};

pub use self::checks::{CHECKS, Check, Kind};
use crate::{database, provision::Logins};

/// Maximum number of reported rows per check; further rows are only counted.
const REPORTED_ROWS: i64 = 100;

/// The result of all checks.
pub struct Report {
    findings: Vec<Finding>,
}

/// The result of a check.
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// The rows it found, each described by a line; at most 100.
    pub rows: Vec<String>,
    /// The number of rows it found.
    pub count: i64,
}

impl Report {
    /// The result of each check, in the order of [`CHECKS`].
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether all checks passed.
    pub fn is_clean(&self) -> bool {
        self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.findings.iter().filter(|finding| finding.check.kind == Kind::Rule && finding.count > 0).count()
    }
}

/// Runs all checks. In one database they run in one read-only transaction, so that a running store gives a consistent result;
/// over several databases, only violations that last for some seconds are reported.
///
/// # Errors
/// When a database cannot be reached or is not migrated.
pub async fn run(owners: &Logins) -> anyhow::Result<Report> {
    if owners.by_database().len() > 1 {
        return separate::run(owners).await;
    }
    let db = database::connect(&owners.order).await?;
    let report = check_all(&db).await;
    db.close().await;
    report
}

async fn check_all(db: &Pool) -> anyhow::Result<Report> {
    let mut snapshot = db.begin_with("begin isolation level repeatable read read only").await?;
    let mut findings = Vec::new();
    for check in CHECKS.iter() {
        findings.push(find(&mut snapshot, check, &check.sql).await?);
    }
    snapshot.rollback().await?;
    Ok(Report { findings })
}

/// Runs a check by this form of its statement.
async fn find(db: &mut PgConnection, check: &'static Check, sql: &str) -> anyhow::Result<Finding> {
    if let Some(examine) = check.examine {
        return examine_rows(db, check, sql, examine).await.with_context(|| failed(check));
    }
    let query = format!("select found.*, count(*) over () from ({sql}) as found limit {REPORTED_ROWS}");
    let rows: Vec<(String, i64)> =
        sqlx::query_as(AssertSqlSafe(query)).fetch_all(db).await.with_context(|| failed(check))?;
    let count = rows.first().map_or(0, |(_, count)| *count);
    Ok(Finding { check, rows: rows.into_iter().map(|(row, _)| row).collect(), count })
}

fn failed(check: &Check) -> String {
    format!("check failed to run: {}: run `bodega migrate` first", check.name)
}

/// Reads all rows, one after the other, and keeps the violations.
async fn examine_rows(
    db: &mut PgConnection,
    check: &'static Check,
    sql: &str,
    examine: fn(&str) -> Option<String>,
) -> sqlx::Result<Finding> {
    let mut finding = Finding { check, rows: Vec::new(), count: 0 };
    let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql.to_owned())).fetch(db);
    while let Some(row) = rows.try_next().await? {
        let Some(violation) = examine(&row) else { continue };
        finding.count += 1;
        if finding.count <= REPORTED_ROWS {
            finding.rows.push(violation);
        }
    }
    Ok(finding)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, rows, count } in &self.findings {
            match (check.kind, count) {
                (Kind::Rule, 0) => writeln!(f, "ok       {}", check.name)?,
                (Kind::Rule, _) => writeln!(f, "FAILED   {} (rows: {count})", check.name)?,
                (Kind::Pending, 0) => continue,
                (Kind::Pending, _) => writeln!(f, "pending  {}: {count}", check.name)?,
            }
            for row in rows {
                writeln!(f, "           {row}")?;
            }
            let unreported = count - i64::try_from(rows.len()).unwrap_or(i64::MAX);
            if unreported > 0 {
                writeln!(f, "           and {unreported} more")?;
            }
        }
        let checks = self.findings.iter().filter(|finding| finding.check.kind == Kind::Rule).count();
        match self.failed() {
            0 => writeln!(f, "All {checks} checks passed."),
            failed => writeln!(f, "{failed} of {checks} checks failed."),
        }
    }
}
