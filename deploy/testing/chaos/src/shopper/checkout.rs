//! Ordering what is in the cart.

use serde_json::Value;
use uuid::Uuid;

use super::{
    ORDERS_PAGE, Shopper,
    client::{Answer, Request},
    counts::count,
    errand::Errand,
    temper::Temper,
};

impl Shopper {
    /// Orders what is in the cart; the id of the order, `None` when there is none to go on with.
    pub(super) async fn check_out(&mut self, errand: &Errand) -> Option<String> {
        let key = (self.temper == Temper::Sane).then(|| Uuid::now_v7().to_string());
        let request = Request::post("/api/orders", Value::Null).with_key(key);
        let answer = match errand.doubles {
            true => self.ask_twice_at_once(&request).await.into_iter().find(Answer::is_success),
            false => None,
        };
        let answer = match answer {
            Some(answer) => Some(answer),
            None => self.member.ask(&request).await,
        };
        let Some(id) = answer.as_ref().and_then(placed) else {
            return self.look_for_order(answer).await;
        };
        Some(self.remember(id))
    }

    /// The same request, sent twice at the same time; the answers that there were.
    pub(super) async fn ask_twice_at_once(&self, request: &Request) -> Vec<Answer> {
        let client = &self.member.client;
        let (one, other) = tokio::join!(client.send(request), client.send(request));
        one.into_iter().chain(other).collect()
    }

    /// What one does who was told of no order: it looks for one that it was not told of, and otherwise takes the
    /// refusal as it is.
    async fn look_for_order(&mut self, answer: Option<Answer>) -> Option<String> {
        match answer.as_ref().map(Answer::code) {
            // A request before this one was carried out, perhaps.
            None | Some("empty_cart") => {
                let listed = self.member.ask(&Request::get(ORDERS_PAGE)).await?;
                let newest = listed.json["items"][0]["id"].as_str()?;
                if self.latest.as_deref() == Some(newest) {
                    return None;
                }
                Some(self.remember(newest.to_owned()))
            }
            Some(code) => {
                count(&self.counts.refused);
                // It would be refused again, with whatever is added.
                if code == "out_of_stock" {
                    self.empty_cart().await?;
                }
                None
            }
        }
    }

    /// Counts an order that is new to it.
    fn remember(&mut self, id: String) -> String {
        if self.latest.as_ref() != Some(&id) {
            count(&self.counts.placed);
            self.latest = Some(id.clone());
        }
        id
    }
}

/// The id of the order that an answer tells of.
fn placed(answer: &Answer) -> Option<String> {
    if !answer.is_success() {
        return None;
    }
    answer.json["id"].as_str().map(str::to_owned)
}
