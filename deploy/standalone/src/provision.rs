//! Creates the schemas, and in the embedded database a role for each service.

use bodega_runtime::database;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, migrate::Migrator, postgres::PgConnectOptions};

/// The schema of a service.
struct Schema {
    name: &'static str,
    migrator: &'static Migrator,
    /// The role that can read and write the rows of this schema only.
    role: &'static str,
    /// `plan_cache_mode` of the role.
    plans: &'static str,
}

/// Their statements have the same plan for all values, so planning each time would cost more than executing.
const GENERIC_PLANS: &str = "force_generic_plan";
/// The best plan of a list or search depends on its values: Postgres decides.
const PLANS_BY_COST: &str = "auto";

static IDENTITY: Schema = Schema {
    name: bodega_identity::SCHEMA,
    migrator: &bodega_identity::MIGRATOR,
    role: "bodega_identity",
    plans: GENERIC_PLANS,
};
static CATALOG: Schema = Schema {
    name: bodega_catalog::SCHEMA,
    migrator: &bodega_catalog::MIGRATOR,
    role: "bodega_catalog",
    plans: PLANS_BY_COST,
};
static CART: Schema = Schema {
    name: bodega_cart::SCHEMA,
    migrator: &bodega_cart::MIGRATOR,
    role: "bodega_cart",
    plans: GENERIC_PLANS,
};
static ORDER: Schema = Schema {
    name: bodega_order::SCHEMA,
    migrator: &bodega_order::MIGRATOR,
    role: "bodega_order",
    plans: GENERIC_PLANS,
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

    /// Returns the connection options of the roles that [`roles`] creates, in the database of `owner`.
    pub fn separate(owner: &PgConnectOptions, passwords: &Passwords) -> Self {
        let login = |schema: &Schema, password: &str| owner.clone().username(schema.role).password(password);
        Self {
            identity: login(&IDENTITY, &passwords.identity),
            catalog: login(&CATALOG, &passwords.catalog),
            cart: login(&CART, &passwords.cart),
            order: login(&ORDER, &passwords.order),
        }
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

/// Applies the migrations of all services.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub async fn migrate(owner: &PgConnectOptions) -> anyhow::Result<()> {
    for schema in [&IDENTITY, &CATALOG, &CART, &ORDER] {
        database::migrate(owner, schema.name, schema.migrator).await?;
    }
    Ok(())
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

/// Creates or updates the roles with these passwords and their planner settings, and grants each access to the rows of its own schema, including tables
/// of later migrations. The schemas must exist. Idempotent.
///
/// # Errors
/// When the server rejects a statement.
pub async fn roles(owner: &PgConnectOptions, passwords: &Passwords) -> sqlx::Result<()> {
    let mut db = PgConnection::connect_with(owner).await?;
    let mut transaction = db.begin().await?;
    let database =
        sqlx::query_scalar::<_, String>("select current_database()").fetch_one(&mut *transaction).await?;
    let revoke = format!(
        "revoke all on database {database} from public;
         revoke create on schema public from public",
        database = identifier(&database)
    );
    sqlx::raw_sql(AssertSqlSafe(revoke)).execute(&mut *transaction).await?;
    for (schema, password) in [
        (&IDENTITY, &passwords.identity),
        (&CATALOG, &passwords.catalog),
        (&CART, &passwords.cart),
        (&ORDER, &passwords.order),
    ] {
        let exists = sqlx::query_scalar::<_, bool>("select exists (select from pg_roles where rolname = $1)")
            .bind(schema.role)
            .fetch_one(&mut *transaction)
            .await?;
        let verb = if exists { "alter" } else { "create" };
        let grants = format!(
            "{verb} role {role} login nosuperuser nocreatedb nocreaterole password {password};
             alter role {role} set plan_cache_mode = {plans};
             alter role {role} set jit = off;
             grant connect on database {database} to {role};
             grant usage on schema {schema} to {role};
             grant select, insert, update, delete on all tables in schema {schema} to {role};
             grant usage, select on all sequences in schema {schema} to {role};
             alter default privileges in schema {schema}
                 grant select, insert, update, delete on tables to {role};
             alter default privileges in schema {schema} grant usage, select on sequences to {role};
             revoke insert, update, delete on {schema}._sqlx_migrations from {role}",
            role = schema.role,
            plans = schema.plans,
            schema = schema.name,
            database = identifier(&database),
            password = literal(password),
        );
        sqlx::raw_sql(AssertSqlSafe(grants)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    db.close().await
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
