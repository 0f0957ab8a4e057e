//! SQL of recognized clients: the networks from which users have signed in.

use bodega_runtime::rate_limit::limits::{MAX_RECOGNIZED_CLIENTS, RECOGNIZED_FOR};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Returns the user with this normalized login if its account recognizes the network.
pub(crate) async fn find(db: impl PgExecutor<'_>, login: &str, network: &str) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select u.id
         from identity.users u
         join identity.recognized_clients c on c.user_id = u.id
         where (u.email_normalized = $1 or u.username_normalized = $1) and u.deleted_at is null
           and c.network = $2 and c.last_login_at > now() - make_interval(secs => $3)",
        login,
        network,
        RECOGNIZED_FOR.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Returns whether the account of a user recognizes the network.
pub(crate) async fn exists(db: impl PgExecutor<'_>, user_id: Uuid, network: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists(
               select from identity.recognized_clients
               where user_id = $1 and network = $2 and last_login_at > now() - make_interval(secs => $3)
           ) as "exists!""#,
        user_id,
        network,
        RECOGNIZED_FOR.as_secs_f64(),
    )
    .fetch_one(db)
    .await
}

/// Records a login of a locked or new user, and forgets the oldest networks over the maximum.
pub(crate) async fn record(db: &mut PgConnection, user_id: Uuid, network: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "with forgotten as (
             delete from identity.recognized_clients
             where user_id = $1 and network in (
                 select network from identity.recognized_clients
                 where user_id = $1 and network <> $2
                 order by last_login_at desc, network offset $3
             )
         )
         insert into identity.recognized_clients (user_id, network) values ($1, $2)
         on conflict (user_id, network) do update set last_login_at = now()",
        user_id,
        network,
        MAX_RECOGNIZED_CLIENTS - 1,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes the networks of a user.
pub(crate) async fn delete_all(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("delete from identity.recognized_clients where user_id = $1", user_id).execute(db).await?;
    Ok(())
}

/// Deletes at most `limit` networks that are not recognized any more. Returns their number.
pub(crate) async fn delete_old(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        "delete from identity.recognized_clients
         where (user_id, network) in (
             select user_id, network from identity.recognized_clients
             where last_login_at < now() - make_interval(secs => $1)
             limit $2
             for update skip locked
         )",
        RECOGNIZED_FOR.as_secs_f64(),
        limit,
    )
    .execute(db)
    .await?;
    Ok(result.rows_affected())
}
