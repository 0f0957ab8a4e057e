//! Shoppers: they shop until they are told to stop, whatever happens to the store.
//!
//! A shopper draws an [`errand`] and runs it: [`cart`] fills, [`checkout`] orders, [`pay`] settles. It asks as a
//! [`member`] of the store, through a [`client`] that writes everything into the journal and tries again as its
//! [`temper`] says. No answer stops it and none is judged here: that is for the invariants.

mod cart;
mod checkout;
mod client;
mod counts;
mod errand;
mod member;
mod pay;
mod secrets;
mod shelf;
mod temper;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bodega_stripe_double::StripeDouble;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use self::{
    client::{Client, Request},
    errand::{Errand, Renewal},
    member::Member,
    temper::Temper,
};
pub(crate) use self::{counts::Counts, shelf::Shelf};
use crate::journal::Journal;

/// What a shopper does after an errand that came to nothing: were it to go on at once, it would fill the journal while
/// the store is down.
const BREATHER: Duration = Duration::from_millis(300);
/// The orders that a shopper reads back; the latest ones, newest first.
const ORDERS_PAGE: &str = "/api/orders?limit=5";

/// Somebody who shops.
pub(crate) struct Shopper {
    member: Member,
    temper: Temper,
    shelf: Shelf,
    stripe: StripeDouble,
    counts: Arc<Counts>,
    /// What its errands are drawn from.
    choices: StdRng,
    /// The id of the last order it knows to be its own.
    latest: Option<String>,
}

impl Shopper {
    /// The shopper of this number in the store at `url`, paying with `stripe`. Its account is the one of its number and
    /// seed: it makes it if need be. One in four is mad.
    pub(crate) fn new(
        number: usize,
        seed: u64,
        url: &str,
        journal: Journal,
        stripe: StripeDouble,
        shelf: &Shelf,
    ) -> Self {
        let seed_of_its_own = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64);
        let mut choices = StdRng::seed_from_u64(seed_of_its_own);
        let client = Client::new(number, seed_of_its_own, shelf.http.clone(), url, journal);
        let password = format!("{:032x}", choices.random::<u128>());
        let email = format!("shopper-{number}-{seed}@chaos.example");
        Self {
            member: Member::new(client, format!("Shopper {number}"), email, password),
            temper: Temper::of(number),
            shelf: shelf.clone(),
            stripe,
            counts: Arc::default(),
            choices,
            latest: None,
        }
    }

    /// The same shopper, who counts there what comes of its errands.
    #[must_use]
    pub(crate) fn counting(mut self, counts: &Arc<Counts>) -> Self {
        self.counts = Arc::clone(counts);
        self.member.client.count_in(Arc::clone(counts));
        self
    }

    /// Shops until `until` is cancelled: the request that is under way then is brought to its end, and whatever is
    /// unfinished stays so.
    pub(crate) async fn shop(mut self, until: CancellationToken) {
        self.member.client.stop_at(until.clone());
        while !until.is_cancelled() {
            let errand = Errand::draw(&mut self.choices, &self.shelf.products, self.temper);
            if self.run(&errand).await.is_none() {
                // Told to stop meanwhile: the loop ends by itself.
                let _ = self.member.client.rest(BREATHER).await;
            }
        }
    }

    /// Runs an errand; `None` when something in it got no answer that it could go on with.
    async fn run(&mut self, errand: &Errand) -> Option<()> {
        self.arrive(errand.renewal).await?;
        if errand.looks {
            let product = errand.lines.first()?.product;
            self.member.ask_once(&Request::get(format!("/api/products/{product}"))).await;
        }
        self.fill_cart(errand).await?;
        let order = self.check_out(errand).await?;
        if errand.reads_order {
            self.member.ask(&Request::get(path_of(&order))).await?;
        }
        self.settle(&order, errand).await?;
        if errand.lists {
            self.member.ask(&Request::get(ORDERS_PAGE)).await?;
        }
        Some(())
    }

    /// Signs in where need be.
    async fn arrive(&mut self, renewal: Option<Renewal>) -> Option<()> {
        let is_in = match renewal {
            _ if !self.member.is_signed_in() => self.member.renew().await,
            Some(Renewal::Refresh) => self.member.renew().await,
            Some(Renewal::SignIn) => self.member.sign_in().await,
            None => true,
        };
        is_in.then_some(())
    }
}

/// Where an order is.
fn path_of(order: &str) -> String {
    format!("/api/orders/{order}")
}
