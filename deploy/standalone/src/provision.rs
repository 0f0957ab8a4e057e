//! Creates the schemas, and a role for each service.

use std::time::Duration;

use bodega_runtime::database;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, migrate::Migrator,
    postgres::PgConnectOptions,
};
use tokio::time::sleep;

/// Maximum number of attempts to update a role.
const ROLE_ATTEMPTS: u32 = 50;
const ROLE_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The schema of a service.
struct Schema {
    name: &'static str,
    migrator: &'static Migrator,
    /// The role that can read and write the rows of this schema only.
    role: &'static str,
    /// `plan_cache_mode` of the role.
    plans: &'static str,
    /// Tables whose rows the role can only read and insert.
    append_only: &'static [&'static str],
}

/// The audit log of a service.
const AUDIT_TABLES: &[&str] = &["audit_events", "audit_segments", "audit_pseudonyms"];

/// Their statements have the same plan for all values, so planning each time would cost more than executing.
const GENERIC_PLANS: &str = "force_generic_plan";
/// The best plan of a list or search depends on its values: Postgres decides.
const PLANS_BY_COST: &str = "auto";

static IDENTITY: Schema = Schema {
    name: bodega_identity::SCHEMA,
    migrator: &bodega_identity::MIGRATOR,
    role: "bodega_identity",
    plans: GENERIC_PLANS,
    append_only: AUDIT_TABLES,
};
static CATALOG: Schema = Schema {
    name: bodega_catalog::SCHEMA,
    migrator: &bodega_catalog::MIGRATOR,
    role: "bodega_catalog",
    plans: PLANS_BY_COST,
    append_only: AUDIT_TABLES,
};
static CART: Schema = Schema {
    name: bodega_cart::SCHEMA,
    migrator: &bodega_cart::MIGRATOR,
    role: "bodega_cart",
    plans: GENERIC_PLANS,
    append_only: &[],
};
static ORDER: Schema = Schema {
    name: bodega_order::SCHEMA,
    migrator: &bodega_order::MIGRATOR,
    role: "bodega_order",
    plans: GENERIC_PLANS,
    append_only: AUDIT_TABLES,
};

/// Connection options of the services.
#[derive(Clone, Debug)]
pub struct Logins {
    /// Connection options of identity.
    pub identity: PgConnectOptions,
    /// Connection options of catalog.
    pub catalog: PgConnectOptions,
    /// Connection options of cart.
    pub cart: PgConnectOptions,
    /// Connection options of order.
    pub order: PgConnectOptions,
}

impl Logins {
    /// Returns the connection options of a given database: all services use its role.
    pub fn shared(database: &PgConnectOptions) -> Self {
        Self {
            identity: database.clone(),
            catalog: database.clone(),
            cart: database.clone(),
            order: database.clone(),
        }
    }

    /// Returns the connection options of the roles that [`roles`] creates, in the databases of these owners.
    pub fn separate(owners: &Self, passwords: &Passwords) -> Self {
        let login = |owner: &PgConnectOptions, schema: &Schema, password: &str| {
            owner.clone().username(schema.role).password(password)
        };
        Self {
            identity: login(&owners.identity, &IDENTITY, &passwords.identity),
            catalog: login(&owners.catalog, &CATALOG, &passwords.catalog),
            cart: login(&owners.cart, &CART, &passwords.cart),
            order: login(&owners.order, &ORDER, &passwords.order),
        }
    }

    /// Returns the options of each distinct database, with the name of a service if there are several.
    pub(crate) fn by_database(&self) -> Vec<(Option<&'static str>, &PgConnectOptions)> {
        let mut distinct: Vec<(Option<&'static str>, &PgConnectOptions)> = Vec::new();
        let services = [
            ("identity", &self.identity),
            ("catalog", &self.catalog),
            ("cart", &self.cart),
            ("order", &self.order),
        ];
        for (service, options) in services {
            if !distinct.iter().any(|(_, other)| is_same_database(options, other)) {
                distinct.push((Some(service), options));
            }
        }
        if let [(service, _)] = &mut *distinct {
            *service = None;
        }
        distinct
    }

    fn by_schema(&self) -> [(&'static Schema, &PgConnectOptions); 4] {
        [(&IDENTITY, &self.identity), (&CATALOG, &self.catalog), (&CART, &self.cart), (&ORDER, &self.order)]
    }
}

/// Passwords of the services' roles.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Passwords {
    /// Password of identity's role.
    pub identity: String,
    /// Password of catalog's role.
    pub catalog: String,
    /// Password of cart's role.
    pub cart: String,
    /// Password of order's role.
    pub order: String,
}

/// Applies the migrations of all services, each as its owner.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub async fn migrate(owners: &Logins) -> anyhow::Result<()> {
    for (schema, owner) in owners.by_schema() {
        database::migrate(owner, schema.name, schema.migrator).await?;
    }
    Ok(())
}

/// Waits until the migrations of all services are applied.
///
/// # Errors
/// When a database cannot be reached or is incompatible.
pub(crate) async fn wait_until_migrated(logins: &Logins) -> anyhow::Result<()> {
    for (schema, login) in logins.by_schema() {
        database::wait_until_migrated(login, schema.name, schema.migrator).await?;
    }
    Ok(())
}

/// Checks that the roles have the settings that sessions behind a pooler need.
///
/// # Errors
/// When a setting is missing. The error names the fix.
pub(crate) async fn check_roles(logins: &Logins) -> anyhow::Result<()> {
    for (_, login) in logins.by_schema() {
        database::check_role(login).await?;
    }
    Ok(())
}

/// Returns whether both options have the same address and database name.
pub(crate) fn is_same_database(one: &PgConnectOptions, other: &PgConnectOptions) -> bool {
    let address = |options: &PgConnectOptions| {
        (options.get_socket().cloned(), options.get_host().to_owned(), options.get_port())
    };
    address(one) == address(other) && one.get_database() == other.get_database()
}

/// Creates the database `name` on the server of `owner`, unless it exists.
///
/// # Errors
/// When the server cannot be reached or rejects the statement.
pub(crate) async fn database(owner: &PgConnectOptions, name: &str) -> sqlx::Result<()> {
    let mut server = PgConnection::connect_with(owner).await?;
    let exists = sqlx::query_scalar::<_, bool>("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut server)
        .await?;
    if !exists {
        sqlx::query(AssertSqlSafe(format!("create database {}", identifier(name))))
            .execute(&mut server)
            .await?;
    }
    server.close().await
}

/// Creates or updates the roles with these passwords and their settings, and grants each access to the rows of its own
/// schema, including tables of later migrations. The schemas must exist. Idempotent.
///
/// The settings are the planner's, and those of a session, which a connection pooler does not pass on.
///
/// # Errors
/// When the server rejects a statement.
pub async fn roles(owners: &Logins, passwords: &Passwords) -> sqlx::Result<()> {
    let passwords = [&passwords.identity, &passwords.catalog, &passwords.cart, &passwords.order];
    for ((schema, owner), password) in owners.by_schema().into_iter().zip(passwords) {
        retry(async || role(owner, schema, password).await).await?;
    }
    // Last, when all roles may connect: services that wait for their schema connect with the right of everyone until then.
    for (_, owner) in owners.by_database() {
        retry(async || revoke_from_public(owner).await).await?;
    }
    Ok(())
}

async fn retry(change: impl AsyncFn() -> sqlx::Result<()>) -> sqlx::Result<()> {
    let mut attempts = 1;
    while let Err(error) = change().await {
        if attempts == ROLE_ATTEMPTS || !is_concurrent_update(&error) {
            return Err(error);
        }
        attempts += 1;
        sleep(ROLE_RETRY_PAUSE).await;
    }
    Ok(())
}

/// Roles belong to all databases of a server, and Postgres does not wait for another one that updates them.
fn is_concurrent_update(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message() == "tuple concurrently updated")
}

async fn role(owner: &PgConnectOptions, schema: &Schema, password: &str) -> sqlx::Result<()> {
    // A slow statement would be logged, with its password.
    let mut db = PgConnection::connect_with(&owner.clone().disable_statement_logging()).await?;
    let mut transaction = db.begin().await?;
    let database = lock_roles(&mut transaction).await?;
    // Only a superuser may change the attributes of a role, so they are left alone where they are right.
    let is_privileged: Option<bool> = sqlx::query_scalar(
        "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = $1",
    )
    .bind(schema.role)
    .fetch_optional(&mut *transaction)
    .await?;
    let (verb, attributes) = match is_privileged {
        None => ("create", "nosuperuser nocreatedb nocreaterole"),
        Some(true) => ("alter", "nosuperuser nocreatedb nocreaterole"),
        Some(false) => ("alter", ""),
    };
    let settings = database::session_settings().map(|(name, value)| {
        format!("alter role {role} set {name} = {value};", role = schema.role, value = literal(&value))
    });
    let append_only = schema
        .append_only
        .iter()
        .map(|table| format!("revoke update, delete on {}.{table} from {};", schema.name, schema.role));
    let statements = format!(
        "revoke create on schema public from public;
         {verb} role {role} login {attributes} password {password};
         alter role {role} set plan_cache_mode = {plans};
         alter role {role} set jit = off;
         {settings}
         grant connect on database {database} to {role};
         grant usage on schema {schema} to {role};
         grant select, insert, update, delete on all tables in schema {schema} to {role};
         grant usage, select on all sequences in schema {schema} to {role};
         alter default privileges in schema {schema}
             grant select, insert, update, delete on tables to {role};
         alter default privileges in schema {schema} grant usage, select on sequences to {role};
         revoke insert, update, delete on {schema}._sqlx_migrations from {role};
         {append_only}",
        role = schema.role,
        password = literal(password),
        plans = schema.plans,
        settings = settings.concat(),
        append_only = append_only.collect::<String>(),
        schema = schema.name,
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    db.close().await
}

async fn revoke_from_public(owner: &PgConnectOptions) -> sqlx::Result<()> {
    let mut db = PgConnection::connect_with(owner).await?;
    let mut transaction = db.begin().await?;
    let database = lock_roles(&mut transaction).await?;
    let statement = format!("revoke all on database {database} from public");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    db.close().await
}

/// Waits for other transactions that change roles and their rights: two of them would update the same rows of the system catalogs.
/// Returns the quoted name of the database.
async fn lock_roles(db: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::raw_sql("select pg_advisory_xact_lock(hashtext('bodega roles'))").execute(&mut *db).await?;
    let database: String = sqlx::query_scalar("select current_database()").fetch_one(db).await?;
    Ok(identifier(&database))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
