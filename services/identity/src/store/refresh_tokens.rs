//! `identity.refresh_tokens`, by their hashes.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::account::{Account, Role};

/// Gives a session a token.
pub(crate) async fn insert(
    db: &mut PgConnection,
    hash: &[u8],
    session_id: Uuid,
    generation: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.refresh_tokens (hash, session_id, generation) values ($1, $2, $3)",
        hash,
        session_id,
        generation,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A token that was presented, with its session and its account.
pub(crate) struct Presented {
    /// Which generation of its session's tokens it belongs to.
    pub(crate) token_generation: i32,
    pub(crate) session_id: Uuid,
    /// Which generation the session is at: tokens of this one have not been used.
    pub(crate) generation: i32,
    /// The token that generation came from.
    pub(crate) used_token_hash: Option<Vec<u8>>,
    pub(crate) account: Account,
}

/// The token with this hash, its session locked. `None` when there is no such token, or its session or account is
/// not in use any more.
pub(crate) async fn lock(
    db: &mut PgConnection,
    hash: &[u8],
    ttl: Duration,
) -> sqlx::Result<Option<Presented>> {
    let row = sqlx::query!(
        r#"select t.generation as token_generation, s.id as session_id, s.generation, s.used_token_hash,
                  u.id, u.name, u.email as "email!", u.username, u.role as "role: Role", u.avatar_url,
                  u.avatar_thumbnail_url, u.disabled, u.created_at, u.updated_at
           from identity.refresh_tokens t
           join identity.sessions s on s.id = t.session_id
           join identity.users u on u.id = s.user_id
           where t.hash = $1
             and s.ended_at is null and s.last_used_at > now() - make_interval(secs => $2)
             and u.deleted_at is null and not u.disabled
           for no key update of s"#,
        hash,
        ttl.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Presented {
        token_generation: row.token_generation,
        session_id: row.session_id,
        generation: row.generation,
        used_token_hash: row.used_token_hash,
        account: Account {
            id: row.id,
            name: row.name,
            email: row.email,
            username: row.username,
            role: row.role,
            avatar_url: row.avatar_url,
            avatar_thumbnail_url: row.avatar_thumbnail_url,
            disabled: row.disabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
    }))
}
