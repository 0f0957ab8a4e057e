//! The database's address and credentials.

use anyhow::{Context as _, bail, ensure};
use clap::builder::BoolishValueParser;
use sqlx::postgres::PgConnectOptions;

/// Arguments for the database: one URL, or its parts.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DatabaseArgs {
    /// Database URL, `postgres://user:password@host:port/name`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Host of the database, if there is no URL [default: localhost]
    #[arg(long, env = "DB_HOST")]
    pub db_host: Option<String>,
    /// Port of the database [default: 5432]
    #[arg(long, env = "DB_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub db_port: Option<u16>,
    /// Name of the database
    #[arg(long, env = "DB_NAME")]
    pub db_name: Option<String>,
    /// Database role to connect as
    #[arg(long, env = "DB_USER")]
    pub db_user: Option<String>,
    /// Password of the database role
    #[arg(long, env = "DB_PASSWORD", hide_env_values = true)]
    pub db_password: Option<String>,
    /// Maximum number of database connections of each service
    #[arg(long, env = "BODEGA_DB_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub db_connections: u32,
    /// Whether the database is behind a connection pooler in transaction mode, such as pgbouncer: settings of sessions then belong
    /// to the role, as `bodega migrate` creates it
    #[arg(
        long,
        env = "BODEGA_DB_POOLER",
        value_name = "YES",
        default_value_t = false,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        value_parser = BoolishValueParser::new(),
        action = clap::ArgAction::Set
    )]
    pub db_pooler: bool,
}

impl DatabaseArgs {
    /// The connection options; `None` when no database is configured.
    ///
    /// # Errors
    /// When the URL is invalid. The error names the variable and does not show the URL.
    pub fn options(&self) -> anyhow::Result<Option<PgConnectOptions>> {
        Ok(self.direct_options()?.map(|options| self.for_pooler(options)))
    }

    /// Leaves out what a pooler does not accept, if there is one.
    pub fn for_pooler(&self, options: PgConnectOptions) -> PgConnectOptions {
        if self.db_pooler { options.extra_float_digits(None) } else { options }
    }

    fn direct_options(&self) -> anyhow::Result<Option<PgConnectOptions>> {
        if let Some(url) = &self.database_url {
            return parse_url("DATABASE_URL", url).map(Some);
        }
        self.check_parts()?;
        if self.db_name.is_none() {
            return Ok(None);
        }
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(self.db_host.as_deref().unwrap_or("localhost"))
            .port(self.db_port.unwrap_or(5432));
        if let Some(name) = &self.db_name {
            options = options.database(name);
        }
        if let Some(user) = &self.db_user {
            options = options.username(user);
        }
        if let Some(password) = &self.db_password {
            options = options.password(password);
        }
        Ok(Some(options))
    }

    /// Fails if a part is set without the parts that it needs.
    fn check_parts(&self) -> anyhow::Result<()> {
        let parts = [
            ("DB_HOST", self.db_host.is_some()),
            ("DB_PORT", self.db_port.is_some()),
            ("DB_USER", self.db_user.is_some()),
            ("DB_PASSWORD", self.db_password.is_some()),
        ];
        if self.db_name.is_none()
            && let Some((part, _)) = parts.iter().find(|(_, is_set)| *is_set)
        {
            bail!("DB_NAME is missing: {part} is set; set both, or DATABASE_URL");
        }
        ensure!(
            self.db_password.is_none() || self.db_user.is_some(),
            "DB_USER is missing: DB_PASSWORD is set; set both, or DATABASE_URL"
        );
        Ok(())
    }

    /// The connection options of a process that needs a database.
    ///
    /// # Errors
    /// As [`DatabaseArgs::options`], and when no database is configured.
    pub fn required(&self) -> anyhow::Result<PgConnectOptions> {
        self.options()?.context("DATABASE_URL is missing: set it to postgres://user:password@host:port/name")
    }
}

/// Parses the URL of a database, the value of `variable`.
///
/// # Errors
/// When the URL is invalid. The error names the variable and does not show the URL.
pub fn parse_url(variable: &str, url: &str) -> anyhow::Result<PgConnectOptions> {
    // sqlx accepts any scheme.
    let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    let options = url.parse().ok().filter(|_| is_postgres);
    options.with_context(|| format!("{variable} is not postgres://user:password@host:port/name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> anyhow::Result<Option<PgConnectOptions>> {
        DatabaseArgs { database_url: Some(text.to_owned()), ..DatabaseArgs::default() }.options()
    }

    #[test]
    fn rejects_an_invalid_url_without_showing_it() {
        assert!(url("postgres://ada:hunter2@localhost/shop").unwrap().is_some());
        for bad in ["mysql://ada:hunter2@localhost/shop", "hunter2", "postgres://ada:hunter2@host:port/shop"]
        {
            let error = format!("{:#}", url(bad).unwrap_err());
            assert!(error.starts_with("DATABASE_URL") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn accepts_a_url_its_parts_or_neither() {
        let parts = DatabaseArgs { db_name: Some("shop".to_owned()), ..DatabaseArgs::default() };
        let options = parts.options().unwrap().unwrap();
        assert_eq!((options.get_host(), options.get_database()), ("localhost", Some("shop")));
        assert!(DatabaseArgs::default().options().unwrap().is_none());
        for (part, missing) in [
            (DatabaseArgs { db_host: Some("db".to_owned()), ..DatabaseArgs::default() }, "DB_NAME"),
            (DatabaseArgs { db_port: Some(5432), ..DatabaseArgs::default() }, "DB_NAME"),
            (DatabaseArgs { db_user: Some("ada".to_owned()), ..DatabaseArgs::default() }, "DB_NAME"),
            (DatabaseArgs { db_password: Some("hunter2".to_owned()), ..parts }, "DB_USER"),
        ] {
            let error = part.options().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{missing} is missing")) && !error.contains("hunter2"),
                "{error}"
            );
        }
        assert!(DatabaseArgs::default().required().is_err());
    }
}
