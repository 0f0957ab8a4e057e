//! Where the database is.

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;

/// Where the database is: as one URL, or piece by piece.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DatabaseArgs {
    /// The database, as `postgres://user:password@host:port/name`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Host of the database, instead of a URL
    #[arg(long, env = "DB_HOST")]
    pub db_host: Option<String>,
    /// Port of the database
    #[arg(long, env = "DB_PORT")]
    pub db_port: Option<u16>,
    /// Name of the database
    #[arg(long, env = "DB_NAME")]
    pub db_name: Option<String>,
    /// Role to connect as
    #[arg(long, env = "DB_USER")]
    pub db_user: Option<String>,
    /// Password of the role
    #[arg(long, env = "DB_PASSWORD", hide_env_values = true)]
    pub db_password: Option<String>,
    /// Connections that each service keeps at most
    #[arg(long, env = "BODEGA_DB_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub db_connections: u32,
}

impl DatabaseArgs {
    /// Where to connect to; `None` when nothing was said.
    ///
    /// # Errors
    /// When the URL is none, naming the variable.
    pub fn options(&self) -> anyhow::Result<Option<PgConnectOptions>> {
        if let Some(url) = &self.database_url {
            // The driver itself would take any scheme.
            let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
            let options = url.parse().ok().filter(|_| is_postgres);
            return options.map(Some).context("DATABASE_URL is not postgres://user:password@host:port/name");
        }
        if self.db_host.is_none() && self.db_name.is_none() {
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

    /// Where to connect to, for a process that cannot do without.
    ///
    /// # Errors
    /// As [`DatabaseArgs::options`], and when nothing was said.
    pub fn required(&self) -> anyhow::Result<PgConnectOptions> {
        self.options()?.context("DATABASE_URL is missing: set it to postgres://user:password@host:port/name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> anyhow::Result<Option<PgConnectOptions>> {
        DatabaseArgs { database_url: Some(text.to_owned()), ..DatabaseArgs::default() }.options()
    }

    #[test]
    fn a_url_of_another_kind_is_refused_without_being_shown() {
        assert!(url("postgres://ada:hunter2@localhost/shop").unwrap().is_some());
        for bad in ["mysql://ada:hunter2@localhost/shop", "hunter2", "postgres://ada:hunter2@host:port/shop"]
        {
            let refusal = format!("{:#}", url(bad).unwrap_err());
            assert!(refusal.starts_with("DATABASE_URL") && !refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_database_may_be_said_piece_by_piece_or_not_at_all() {
        let pieces = DatabaseArgs { db_name: Some("shop".to_owned()), ..DatabaseArgs::default() };
        let options = pieces.options().unwrap().unwrap();
        assert_eq!((options.get_host(), options.get_database()), ("localhost", Some("shop")));
        assert!(DatabaseArgs::default().options().unwrap().is_none());
        assert!(DatabaseArgs::default().required().is_err());
    }
}
