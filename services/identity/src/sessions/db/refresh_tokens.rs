//! SQL of refresh tokens.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::users::{Role, User};

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

/// A presented token with its session and user.
pub(crate) struct PresentedToken {
    /// The generation of the token.
    pub(crate) token_generation: i32,
    pub(crate) session_id: Uuid,
    /// The current generation of the session, of which no token has been used.
    pub(crate) session_generation: i32,
    /// The token that the current generation was issued for.
    pub(crate) used_token_hash: Option<Vec<u8>>,
    pub(crate) second_factor_at: Option<OffsetDateTime>,
    /// Tokens that were issued for the session after the first one.
    pub(crate) issued_tokens: i32,
    pub(crate) session_created_at: OffsetDateTime,
    pub(crate) user: User,
}

/// Finds a token and locks its session. Returns `None` when the token is unknown, the session has ended or expired, or the
/// user is disabled or deleted.
pub(crate) async fn lock(
    db: &mut PgConnection,
    hash: &[u8],
    ttl: Duration,
    session_ttl: Duration,
) -> sqlx::Result<Option<PresentedToken>> {
    let row = sqlx::query!(
        r#"select t.generation as token_generation,
                  s.id as session_id, s.generation as session_generation, s.used_token_hash,
                  s.second_factor_at,
                  s.issued_tokens, s.created_at as session_created_at,
                  u.id, u.name, u.email as "email!", u.username, u.role as "role: Role", u.avatar_url,
                  u.avatar_thumbnail_url, u.disabled, u.email_verified_at is not null as "email_verified!", u.created_at,
                  u.updated_at
           from identity.refresh_tokens t
           join identity.sessions s on s.id = t.session_id
           join identity.users u on u.id = s.user_id
           where t.hash = $1
             and s.ended_at is null and s.last_used_at > now() - make_interval(secs => $2)
             and s.created_at > now() - make_interval(secs => $3)
             and u.deleted_at is null and not u.disabled
           for no key update of s"#,
        hash,
        ttl.as_secs_f64(),
        session_ttl.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| PresentedToken {
        token_generation: row.token_generation,
        session_id: row.session_id,
        session_generation: row.session_generation,
        used_token_hash: row.used_token_hash,
        second_factor_at: row.second_factor_at,
        issued_tokens: row.issued_tokens,
        session_created_at: row.session_created_at,
        user: User {
            id: row.id,
            name: row.name,
            email: row.email,
            username: row.username,
            role: row.role,
            avatar_url: row.avatar_url,
            avatar_thumbnail_url: row.avatar_thumbnail_url,
            disabled: row.disabled,
            email_verified: row.email_verified,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
    }))
}
