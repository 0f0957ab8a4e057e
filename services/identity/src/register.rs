//! Making an account.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::status::Violations;
use uuid::Uuid;

use crate::{
    account::{Email, Name, Role, Username},
    app::{App, SignedIn, begin_session},
    error::Error,
    password::{self, Personal},
    store::{self, users::NewAccount},
};

/// Makes an account with the role `user` and signs it in.
pub(crate) async fn register(app: &App, request: pb::RegisterRequest) -> Result<SignedIn, Error> {
    let mut violations = Violations::new();
    let name = Name::parse(&request.name, &mut violations);
    let email = Email::parse(&request.email, &mut violations);
    let username = Username::parse(&request.username, &mut violations);
    let whose = Personal { name: &name, email: &email, username: username.as_ref() };
    password::check(&request.password, &whose, "password", &mut violations);
    violations.finish()?;

    // Before a connection is taken: hashing is slow, and connections are few.
    let password_hash = app.hasher.hash(&request.password).await?;

    let mut tx = app.db.begin().await?;
    let new = NewAccount {
        id: Uuid::now_v7(),
        name: &name,
        email: &email,
        username: username.as_ref(),
        password_hash: &password_hash,
        role: Role::User,
    };
    let account = store::users::insert(&mut *tx, &new).await.map_err(Error::of_account)?;
    let signed_in = begin_session(&mut tx, account, &request.user_agent).await?;
    tx.commit().await?;
    Ok(signed_in)
}
