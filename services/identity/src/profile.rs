//! What people change about their own accounts.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::{auth::Caller, status::Violations};
use uuid::Uuid;

use crate::{
    account::{Account, Email, Name, Username},
    address,
    app::App,
    error::Error,
    password::{self, Personal, Verdict},
    store::{self, users::Changes},
};

/// Changes what the request names.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    request: pb::UpdateProfileRequest,
) -> Result<Account, Error> {
    app.signed_in(caller).await?;
    let mut violations = Violations::new();
    let name = request.name.map(|name| Name::parse(&name, &mut violations));
    let email = request.email.map(|email| Email::parse(&email, &mut violations));
    let username = request.username.map(|username| Username::parse(&username, &mut violations));
    let addresses = request.addresses.map(|list| address::parse(list.addresses, &mut violations));
    violations.finish()?;

    let mut tx = app.db.begin().await?;
    let changes = Changes {
        name: name.as_ref(),
        email: email.as_ref(),
        username: username.as_ref().map(Option::as_ref),
    };
    // The account's row first: it keeps two replacements of the addresses apart.
    let account = store::users::update(&mut *tx, caller.user_id, &changes)
        .await
        .map_err(Error::of_account)?
        .ok_or(Error::SessionEnded)?;
    if let Some(addresses) = &addresses {
        store::addresses::replace(&mut tx, account.id, addresses).await?;
    }
    tx.commit().await?;
    Ok(account)
}

/// Sets a new password. Returns the caller's other sessions, which it ends.
pub(crate) async fn change_password(
    app: &App,
    caller: &Caller,
    request: &pb::ChangePasswordRequest,
) -> Result<Vec<Uuid>, Error> {
    let account = app.signed_in(caller).await?;
    check_new_password(&account, &request.new_password)?;

    let kept = store::credentials::password_hash(&app.db, account.id).await?.ok_or(Error::SessionEnded)?;
    if app.hasher.verify(Some(&kept), &request.current_password).await? == Verdict::Wrong {
        return Err(wrong_password());
    }
    let new = app.hasher.hash(&request.new_password).await?;

    let mut tx = app.db.begin().await?;
    let locked = store::credentials::lock(&mut tx, account.id).await?.ok_or(Error::SessionEnded)?;
    if locked.password_hash != kept {
        return Err(wrong_password());
    }
    store::credentials::set_password_hash(&mut tx, account.id, &new).await?;
    let ended = store::sessions::end_all(&mut *tx, account.id, Some(caller.session_id)).await?;
    tx.commit().await?;
    Ok(ended)
}

fn check_new_password(account: &Account, password: &str) -> Result<(), Error> {
    // Not faults of this request, whatever is found in what was accepted once.
    let mut old = Violations::new();
    let name = Name::parse(&account.name, &mut old);
    let email = Email::parse(&account.email, &mut old);
    let username = Username::parse(account.username.as_deref().unwrap_or_default(), &mut old);

    let mut violations = Violations::new();
    let whose = Personal { name: &name, email: &email, username: username.as_ref() };
    password::check(password, &whose, "new_password", &mut violations);
    Ok(violations.finish()?)
}

fn wrong_password() -> Error {
    Error::invalid("current_password", "is not the password of this account")
}
