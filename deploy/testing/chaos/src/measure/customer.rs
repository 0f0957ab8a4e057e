//! Customers of a load: each goes through the same story again and again, and looks at nothing but the status.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;

use super::connection::{Answer, Connection, Failure, Question};

/// Units that a cart is changed to.
const QUANTITY: u32 = 2;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    /// Whether the gateway lives.
    Live,
    /// Whether the store can serve.
    Ready,
    /// A page of products.
    Products,
    /// A product.
    Product,
    /// Adds to the cart.
    Add,
    /// The cart.
    Cart,
    /// Changes how many of a product the cart has.
    Change,
    /// Places an order, with a key.
    Order,
    /// The own orders.
    Orders,
    /// The own account.
    Profile,
    /// Signs in by password, which takes a while to compute.
    Login,
}

impl Step {
    /// Reads, cart changes and checkouts, as a shop sees them.
    pub(super) const SHOPPING: &'static [Self] = &[
        Self::Products,
        Self::Product,
        Self::Add,
        Self::Product,
        Self::Cart,
        Self::Change,
        Self::Profile,
        Self::Order,
        Self::Orders,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "GET /healthz",
            Self::Ready => "GET /readyz",
            Self::Products => "GET /api/products",
            Self::Product => "GET /api/products/{id}",
            Self::Add => "POST /api/cart/add",
            Self::Cart => "GET /api/cart",
            Self::Change => "PUT /api/cart/items/{productId}",
            Self::Order => "POST /api/orders",
            Self::Orders => "GET /api/orders",
            Self::Profile => "GET /api/users/me",
            Self::Login => "POST /api/auth/login",
        })
    }
}

/// Who a customer is, and what there is to buy. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Different for everybody.
    pub(super) number: usize,
    /// What they sign in with.
    pub(super) email: Arc<str>,
    /// `Bearer` and an access token.
    pub(super) authorization: Arc<str>,
    /// The products on sale; one at least.
    pub(super) products: Arc<[i64]>,
}

/// The password of every account: what is measured is the store.
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// A customer at a step of a story.
pub(super) struct Customer {
    account: Account,
    authority: Arc<str>,
    connection: Connection,
    story: &'static [Step],
    /// How many steps are done.
    done: usize,
    /// How many orders were begun.
    orders: usize,
    has_cart: bool,
    /// What the keys of its orders begin with: the same account may have shopped before.
    keys: u64,
}

impl Customer {
    /// One that begins somewhere in a story: not all do the same at once.
    pub(super) fn new(authority: &Arc<str>, account: Account, story: &'static [Step]) -> Self {
        Self {
            done: account.number,
            account,
            authority: Arc::clone(authority),
            connection: Connection::new(authority),
            story,
            orders: 0,
            has_cart: false,
            keys: rand::random(),
        }
    }

    /// Takes the next step.
    pub(super) async fn step(&mut self) -> (Step, Answer) {
        let step = match self.story[self.done % self.story.len()] {
            // The one before was refused, or has yet to come.
            Step::Order | Step::Change if !self.has_cart => Step::Add,
            step => step,
        };
        self.done += 1;
        let Some(question) = self.question(step) else { return (step, Failure::Unsent.into()) };
        let answer = self.connection.ask(&question).await;
        let is_definite = answer.status.is_ok_and(is_definite);
        match step {
            Step::Add if is_definite => self.has_cart = true,
            // One whose end is open is placed again, with its key.
            Step::Order if is_definite => {
                self.has_cart = false;
                self.orders += 1;
            }
            _ => {}
        }
        (step, answer)
    }

    /// `None` for what HTTP does not allow, which nobody asks for.
    fn question(&self, step: Step) -> Option<Question> {
        let Account { number, email, authorization, products } = &self.account;
        let product = products.get(self.orders.wrapping_add(*number) % products.len().max(1))?;
        let get = |path: &str| (Method::GET, path.to_owned(), String::new());
        let (method, path, body) = match step {
            Step::Live => get("/healthz"),
            Step::Ready => get("/readyz"),
            Step::Products => get("/api/products?limit=20"),
            Step::Product => get(&format!("/api/products/{product}")),
            Step::Cart => get("/api/cart"),
            Step::Orders => get("/api/orders?limit=5"),
            Step::Profile => get("/api/users/me"),
            Step::Add => {
                let body = format!(r#"{{"productId":{product},"quantity":1}}"#);
                (Method::POST, "/api/cart/add".to_owned(), body)
            }
            Step::Change => {
                let path = format!("/api/cart/items/{product}");
                (Method::PUT, path, format!(r#"{{"quantity":{QUANTITY}}}"#))
            }
            Step::Order => (Method::POST, "/api/orders".to_owned(), "{}".to_owned()),
            Step::Login => {
                let body = format!(r#"{{"email":"{email}","password":"{PASSWORD}"}}"#);
                (Method::POST, "/api/auth/login".to_owned(), body)
            }
        };
        let mut question = Request::builder().method(method).uri(path).header("host", &*self.authority);
        if step > Step::Ready {
            question = question.header("authorization", &**authorization);
        }
        if step == Step::Order {
            question = question.header("idempotency-key", format!("{:x}-{}", self.keys, self.orders));
        }
        if !body.is_empty() {
            question = question.header("content-type", "application/json");
        }
        question.body(Full::new(Bytes::from(body))).ok()
    }
}

/// Whether asking again would not change it: 2xx, and refusals that name a fault of the request.
pub(super) fn is_definite(status: u16) -> bool {
    status < 500 && status != 429
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// A customer of a server that answers each request with the next status, and what they ask.
    async fn asked(story: &'static [Step], statuses: &'static [u16]) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority: Arc<str> = listener.local_addr().unwrap().to_string().into();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            for status in statuses {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                asked.push(String::from_utf8_lossy(&request[..length]).into_owned());
                let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        let account = Account {
            number: 0,
            email: "ada@load.example".into(),
            authorization: "Bearer a.b.c".into(),
            products: [7, 8].into(),
        };
        let mut customer = Customer::new(&authority, account, story);
        for _ in statuses {
            customer.step().await;
        }
        server.await.unwrap()
    }

    fn key(request: &str) -> &str {
        request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap()
    }

    #[tokio::test]
    async fn nobody_orders_before_something_was_added() {
        let asked = asked(&[Step::Order], &[503, 200, 201, 200]).await;
        let lines: Vec<_> = asked.iter().map(|request| request.lines().next().unwrap()).collect();
        let (add, order) = ("POST /api/cart/add HTTP/1.1", "POST /api/orders HTTP/1.1");
        assert_eq!(lines, [add, add, order, add]);
    }

    #[tokio::test]
    async fn an_order_whose_end_is_open_is_placed_again_with_its_key() {
        let asked = asked(&[Step::Order], &[200, 503, 201, 200, 201]).await;
        assert_eq!(key(&asked[1]), key(&asked[2]));
        assert_ne!(key(&asked[2]), key(&asked[4]));
    }

    #[tokio::test]
    async fn a_probe_does_not_say_who_asks() {
        let asked = asked(&[Step::Ready, Step::Profile], &[200, 200]).await;
        assert!(!asked[0].contains("authorization"), "{}", asked[0]);
        assert!(asked[1].contains("authorization: Bearer a.b.c"), "{}", asked[1]);
    }
}
