//! Guests whose carts were merged into the cart that is checked out, by a login.
//!
//! A guest may be ordering the lines that are in the user's cart by now. So a checkout of the user's cart is also the next one of
//! each guest: it starts only if the latest checkout of each is the one that was read before the cart was, and from then on no other
//! checkout of the guest can start. An unfinished one is completed first, and its lines leave the user's cart.
//!
//! Which guests there are is known once the cart is read. The first attempt supposes that they have never checked out, which is
//! usual, and costs nothing. The next attempt reads their checkouts before it reads the cart again.

use uuid::Uuid;

use super::{
    db::checkouts::{self, CheckoutState, MergedGuest, Stage},
    place_order::{complete, has_deliveries},
};
use crate::{app::App, error::Error};

/// The guests of whom a checkout must be the next one.
#[derive(Debug, Default)]
pub(super) struct MergedGuests(Vec<MergedGuest>);

impl MergedGuests {
    /// Reads the latest checkouts of guests.
    pub(super) async fn load(app: &App, guest_ids: &[Uuid]) -> Result<Self, Error> {
        if guest_ids.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(checkouts::latest_of_guests(&app.db, guest_ids).await?))
    }

    fn latest(&self, guest_id: Uuid) -> Option<&CheckoutState> {
        self.0.iter().find(|guest| guest.guest_id == guest_id)?.latest.as_ref()
    }

    /// Completes unfinished checkouts of `guest_ids`. Returns whether there were any.
    pub(super) async fn complete(&self, app: &App, guest_ids: &[Uuid]) -> Result<bool, Error> {
        let mut found = false;
        for latest in guest_ids.iter().filter_map(|guest_id| self.latest(*guest_id)) {
            if latest.stage == Stage::Placing || has_deliveries(app, latest) {
                complete(app, latest).await?;
                found = true;
            }
        }
        Ok(found)
    }

    /// Returns `guest_ids`, each with the latest checkout that was read.
    pub(super) fn expected(&self, guest_ids: &[Uuid]) -> Vec<(Uuid, Option<Uuid>)> {
        guest_ids.iter().map(|guest_id| (*guest_id, self.latest(*guest_id).map(|latest| latest.id))).collect()
    }
}
