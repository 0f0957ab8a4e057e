//! Whether everything adds up: what must hold across the four schemas, asked of one snapshot of the database.
//!
//! [`checks`] lists what must hold; each check is a query for the rows that disagree. [`repair`] mends what is safe.

mod checks;
pub mod repair;

use std::fmt;

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgConnectOptions};

pub use self::checks::{CHECKS, Check, Kind};
use crate::database;

/// Rows that a check names; beyond these, it counts.
const NAMED_ROWS: i64 = 100;

/// What was found.
pub struct Report {
    findings: Vec<Finding>,
}

/// What a check found.
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// The rows it found, each described in a line; not all, where they are many.
    pub rows: Vec<String>,
    /// How many rows it found.
    pub count: i64,
}

impl Report {
    /// What each check found, in the order of [`CHECKS`].
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether every rule holds.
    pub fn is_clean(&self) -> bool {
        self.broken() == 0
    }

    fn broken(&self) -> usize {
        self.findings.iter().filter(|found| found.check.kind == Kind::Rule && found.count > 0).count()
    }
}

/// Runs every check, in one read-only transaction: a store that is open does not look broken only because it moves.
///
/// # Errors
/// When the database cannot be reached or is not migrated.
pub async fn run(owner: &PgConnectOptions) -> anyhow::Result<Report> {
    let db = database::connect(owner).await?;
    let report = check_all(&db).await;
    db.close().await;
    report
}

async fn check_all(db: &PgPool) -> anyhow::Result<Report> {
    let mut snapshot = db.begin_with("begin isolation level repeatable read read only").await?;
    let mut findings = Vec::new();
    for check in CHECKS {
        let query =
            format!("select found.*, count(*) over () from ({}) as found limit {NAMED_ROWS}", check.sql);
        let rows: Vec<(String, i64)> =
            sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut *snapshot).await.with_context(|| {
                format!("cannot check whether {}: run `bodega migrate` first", check.name)
            })?;
        let count = rows.first().map_or(0, |(_, count)| *count);
        findings.push(Finding { check, rows: rows.into_iter().map(|(row, _)| row).collect(), count });
    }
    snapshot.rollback().await?;
    Ok(Report { findings })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, rows, count } in &self.findings {
            match (check.kind, count) {
                (Kind::Rule, 0) => writeln!(f, "ok       {}", check.name)?,
                (Kind::Rule, _) => writeln!(f, "BROKEN   {}: not so for {count}", check.name)?,
                (Kind::Pending, 0) => continue,
                (Kind::Pending, _) => writeln!(f, "pending  {}: {count}", check.name)?,
            }
            for row in rows {
                writeln!(f, "           {row}")?;
            }
            let unnamed = count - i64::try_from(rows.len()).unwrap_or(i64::MAX);
            if unnamed > 0 {
                writeln!(f, "           and {unnamed} more")?;
            }
        }
        let rules = self.findings.iter().filter(|found| found.check.kind == Kind::Rule).count();
        match self.broken() {
            0 => writeln!(f, "Everything adds up: {rules} rules hold."),
            broken => writeln!(f, "{broken} of {rules} rules are broken."),
        }
    }
}
