//! What the use cases share.

use std::sync::Arc;

use bodega_media::ImageRegistry;
use bodega_proto::identity::v1 as pb;
use bodega_runtime::auth::Caller;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    account::{Account, Role},
    config::Settings,
    error::Error,
    password::Hasher,
    refresh_token,
    revocations::Revocations,
    signing::Signer,
    store,
};

/// The `user-agent` of a session is cut to this many characters.
const MAX_USER_AGENT: usize = 200;

/// The service's state: none of its own, but for the database's.
pub(crate) struct App {
    pub(crate) db: PgPool,
    pub(crate) settings: Settings,
    pub(crate) hasher: Hasher,
    pub(crate) signer: Signer,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) images: ImageRegistry,
}

/// Somebody who has just been signed in: all that the tokens are made of.
pub(crate) struct SignedIn {
    pub(crate) account: Account,
    pub(crate) session_id: Uuid,
    pub(crate) refresh_token: String,
}

impl App {
    /// The account of the caller, if the session and the account are still in use: an access token outlives both.
    pub(crate) async fn signed_in(&self, caller: &Caller) -> Result<Account, Error> {
        store::users::find_signed_in(&self.db, caller.user_id, caller.session_id)
            .await?
            .ok_or(Error::SessionEnded)
    }

    /// The account of the caller, if it is an admin's, now.
    pub(crate) async fn signed_in_admin(&self, caller: &Caller) -> Result<Account, Error> {
        let account = self.signed_in(caller).await?;
        if account.role == Role::Admin { Ok(account) } else { Err(Error::AdminOnly) }
    }

    /// The tokens of a session, with its account, as their owner receives them.
    pub(crate) async fn session(&self, signed_in: SignedIn) -> Result<pb::Session, Error> {
        let SignedIn { account, session_id, refresh_token } = signed_in;
        let access_token = self.signer.access_token(&account, session_id)?;
        Ok(pb::Session {
            user: Some(self.user(account).await?),
            access_token,
            expires_in: i64::try_from(self.settings.access_ttl.as_secs()).unwrap_or(i64::MAX),
            refresh_token,
        })
    }

    /// An account with its addresses.
    pub(crate) async fn user(&self, account: Account) -> Result<pb::User, Error> {
        let addresses = store::addresses::of(&self.db, &[account.id]).await?;
        let mut user = pb::User::from(account);
        user.addresses = addresses.into_iter().map(|(_, address)| address).collect();
        Ok(user)
    }

    /// Accounts with their addresses.
    pub(crate) async fn users(&self, accounts: Vec<Account>) -> Result<Vec<pb::User>, Error> {
        let ids: Vec<_> = accounts.iter().map(|account| account.id).collect();
        let mut addresses = store::addresses::of(&self.db, &ids).await?;
        Ok(accounts
            .into_iter()
            .map(|account| {
                let id = account.id;
                let own = addresses.extract_if(.., |(owner, _)| *owner == id).map(|(_, address)| address);
                pb::User { addresses: own.collect(), ..account.into() }
            })
            .collect())
    }
}

/// Begins a session of an account that is locked, or new. The caller commits.
pub(crate) async fn begin_session(
    db: &mut PgConnection,
    account: Account,
    user_agent: &str,
) -> Result<SignedIn, Error> {
    let user_agent: String = user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect();
    let session_id = Uuid::now_v7();
    let (refresh_token, hash) = refresh_token::mint();
    store::sessions::insert(db, session_id, account.id, &user_agent).await?;
    store::refresh_tokens::insert(db, &hash, session_id, 0).await?;
    Ok(SignedIn { account, session_id, refresh_token })
}
