//! Making a database ready: its schemas, and in a database of our own a role for each service.

use bodega_runtime::database;
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// What a service owns.
struct Schema {
    name: &'static str,
    migrator: &'static Migrator,
    /// May read and write the rows of this schema, and nothing else.
    role: &'static str,
}

static IDENTITY: Schema =
    Schema { name: bodega_identity::SCHEMA, migrator: &bodega_identity::MIGRATOR, role: "bodega_identity" };
static CATALOG: Schema =
    Schema { name: bodega_catalog::SCHEMA, migrator: &bodega_catalog::MIGRATOR, role: "bodega_catalog" };
static CART: Schema =
    Schema { name: bodega_cart::SCHEMA, migrator: &bodega_cart::MIGRATOR, role: "bodega_cart" };
static ORDER: Schema =
    Schema { name: bodega_order::SCHEMA, migrator: &bodega_order::MIGRATOR, role: "bodega_order" };

/// How each service gets to its schema.
#[derive(Clone, Debug)]
pub struct Logins {
    /// Identity's.
    pub identity: PgConnectOptions,
    /// Catalog's.
    pub catalog: PgConnectOptions,
    /// Cart's.
    pub cart: PgConnectOptions,
    /// Order's.
    pub order: PgConnectOptions,
}

impl Logins {
    /// All four as the same role: for a database that was given to us, where we make no roles.
    pub fn shared(database: &PgConnectOptions) -> Self {
        Self {
            identity: database.clone(),
            catalog: database.clone(),
            cart: database.clone(),
            order: database.clone(),
        }
    }

    /// Each as the role that [`roles`] made for it, in the database that `owner` connects to.
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

/// The passwords of the services' roles.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Passwords {
    /// Identity's.
    pub identity: String,
    /// Catalog's.
    pub catalog: String,
    /// Cart's.
    pub cart: String,
    /// Order's.
    pub order: String,
}

/// Brings the four schemas to the state this version wants.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub async fn migrate(owner: &PgConnectOptions) -> anyhow::Result<()> {
    for schema in [&IDENTITY, &CATALOG, &CART, &ORDER] {
        database::migrate(owner, schema.name, schema.migrator).await?;
    }
    Ok(())
}

/// Makes the database `name` on the server of `owner`, unless it is there.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub(crate) async fn database(owner: &PgConnectOptions, name: &str) -> sqlx::Result<()> {
    let mut server = PgConnection::connect_with(owner).await?;
    let there = sqlx::query_scalar::<_, bool>("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut server)
        .await?;
    if !there {
        sqlx::query(AssertSqlSafe(format!("create database {}", identifier(name))))
            .execute(&mut server)
            .await?;
    }
    server.close().await
}

/// Makes the four roles, or gives them these passwords, and grants each the rows of its own schema: those there are,
/// and those that later migrations bring. The schemas must be there. Safe to repeat.
///
/// # Errors
/// When the server refuses.
pub async fn roles(owner: &PgConnectOptions, passwords: &Passwords) -> sqlx::Result<()> {
    let db = PgPoolOptions::new().max_connections(1).connect_with(owner.clone()).await?;
    let mut transaction = db.begin().await?;
    let database =
        sqlx::query_scalar::<_, String>("select current_database()").fetch_one(&mut *transaction).await?;
    let close = format!(
        "revoke all on database {database} from public;
         revoke create on schema public from public",
        database = identifier(&database)
    );
    sqlx::raw_sql(AssertSqlSafe(close)).execute(&mut *transaction).await?;
    for (schema, password) in [
        (&IDENTITY, &passwords.identity),
        (&CATALOG, &passwords.catalog),
        (&CART, &passwords.cart),
        (&ORDER, &passwords.order),
    ] {
        let there = sqlx::query_scalar::<_, bool>("select exists (select from pg_roles where rolname = $1)")
            .bind(schema.role)
            .fetch_one(&mut *transaction)
            .await?;
        let verb = if there { "alter" } else { "create" };
        let grants = format!(
            "{verb} role {role} login nosuperuser nocreatedb nocreaterole password {password};
             grant connect on database {database} to {role};
             grant usage on schema {schema} to {role};
             grant select, insert, update, delete on all tables in schema {schema} to {role};
             grant usage, select on all sequences in schema {schema} to {role};
             alter default privileges in schema {schema}
                 grant select, insert, update, delete on tables to {role};
             alter default privileges in schema {schema} grant usage, select on sequences to {role};
             revoke insert, update, delete on {schema}._sqlx_migrations from {role}",
            role = schema.role,
            schema = schema.name,
            database = identifier(&database),
            password = literal(password),
        );
        sqlx::raw_sql(AssertSqlSafe(grants)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    db.close().await;
    Ok(())
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
