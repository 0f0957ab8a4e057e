//! Changing an order's books: one transaction, from opening to closing them.

use bodega_runtime::database::retry_on_conflict;
use uuid::Uuid;

use crate::{App, books::Books, error::Error, store};

/// Opens the books of an order of `owner` (`None`: anybody's), lets `decide` change them, and closes them again: at once,
/// or not at all. Books that were not changed are not written. `decide` is asked again when the database undid it, and
/// calls nobody.
///
/// # Errors
/// [`Error::NotFound`]; what `decide` refuses with: then nothing has changed.
pub(crate) async fn keep<T>(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    decide: impl Fn(&mut Books) -> Result<T, Error>,
) -> Result<(Books, T), Error> {
    retry_on_conflict(|| async {
        let mut transaction = app.db.begin().await?;
        let mut books = store::books::open(&mut transaction, id, owner).await?.ok_or(Error::NotFound)?;
        let before = books.clone();
        let decision = decide(&mut books)?;
        if books != before {
            store::books::close(&mut transaction, &books, app.payments.window()).await?;
            transaction.commit().await?;
        }
        Ok((books, decision))
    })
    .await
}
