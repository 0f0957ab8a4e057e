//! Virtual users of a load: each repeats the same sequence of operations and reads only the status of the responses.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::Method;
use http_body_util::Full;

use super::connection::{Connection, Failure, Request, Response};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Operation {
    Healthz,
    Readyz,
    Products,
    Product,
    AddToCart,
    Cart,
    SetQuantity,
    PlaceOrder,
    Orders,
    Profile,
    /// Password hashing makes it expensive.
    Login,
}

impl Operation {
    /// A usual mix of reads, cart changes and checkouts.
    pub(crate) const SHOPPING: &'static [Self] = &[
        Self::Products,
        Self::Product,
        Self::AddToCart,
        Self::Product,
        Self::Cart,
        Self::SetQuantity,
        Self::Profile,
        Self::PlaceOrder,
        Self::Orders,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthz => "GET /healthz",
            Self::Readyz => "GET /readyz",
            Self::Products => "GET /api/products",
            Self::Product => "GET /api/products/{id}",
            Self::AddToCart => "POST /api/cart/add",
            Self::Cart => "GET /api/cart",
            Self::SetQuantity => "PUT /api/cart/items/{productId}",
            Self::PlaceOrder => "POST /api/orders",
            Self::Orders => "GET /api/orders",
            Self::Profile => "GET /api/users/me",
            Self::Login => "POST /api/auth/login",
        })
    }
}

/// A user of the store, and the products to buy. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) number: usize,
    pub(super) email: Arc<str>,
    pub(super) password: Arc<str>,
    /// `Bearer` and an access token.
    pub(super) authorization: Arc<str>,
    /// Ids of products; at least one.
    pub(super) products: Arc<[i64]>,
}

pub(super) struct VirtualUser {
    account: Account,
    authority: Arc<str>,
    connection: Connection,
    operations: &'static [Operation],
    /// Index of the next operation, modulo their number.
    next: usize,
    orders_placed: usize,
    has_cart: bool,
    /// Prefix of the idempotency keys: the same account may have placed orders in another load.
    key_prefix: u64,
}

impl VirtualUser {
    /// Starts at an operation that depends on the account's number, so that users do not send the same requests at once.
    pub(super) fn new(authority: &Arc<str>, account: Account, operations: &'static [Operation]) -> Self {
        Self {
            next: account.number,
            account,
            authority: Arc::clone(authority),
            connection: Connection::new(authority),
            operations,
            orders_placed: 0,
            has_cart: false,
            key_prefix: rand::random(),
        }
    }

    pub(super) async fn run_next(&mut self) -> (Operation, Response) {
        let operation = match self.operations[self.next % self.operations.len()] {
            // The product was not added, or not yet.
            Operation::PlaceOrder | Operation::SetQuantity if !self.has_cart => Operation::AddToCart,
            operation => operation,
        };
        self.next += 1;
        let Some(request) = self.request(operation) else { return (operation, Failure::Unsent.into()) };
        let response = self.connection.send(&request).await;
        match operation {
            Operation::AddToCart if response.is_final() => self.has_cart = true,
            // Otherwise the order is placed again with the same key.
            Operation::PlaceOrder if response.is_final() => {
                self.has_cart = false;
                self.orders_placed += 1;
            }
            _ => {}
        }
        (operation, response)
    }

    /// Returns `None` for an invalid request, which no operation makes.
    fn request(&self, operation: Operation) -> Option<Request> {
        let Account { number, email, password, authorization, products } = &self.account;
        let product = products.get(self.orders_placed.wrapping_add(*number) % products.len().max(1))?;
        let get = |path: &str| (Method::GET, path.to_owned(), String::new());
        let (method, path, body) = match operation {
            Operation::Healthz => get("/healthz"),
            Operation::Readyz => get("/readyz"),
            Operation::Products => get("/api/products?limit=20"),
            Operation::Product => get(&format!("/api/products/{product}")),
            Operation::Cart => get("/api/cart"),
            Operation::Orders => get("/api/orders?limit=5"),
            Operation::Profile => get("/api/users/me"),
            Operation::AddToCart => {
                let body = format!(r#"{{"productId":{product},"quantity":1}}"#);
                (Method::POST, "/api/cart/add".to_owned(), body)
            }
            Operation::SetQuantity => {
                let path = format!("/api/cart/items/{product}");
                (Method::PUT, path, r#"{"quantity":2}"#.to_owned())
            }
            Operation::PlaceOrder => (Method::POST, "/api/orders".to_owned(), "{}".to_owned()),
            Operation::Login => {
                let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
                (Method::POST, "/api/auth/login".to_owned(), body)
            }
        };
        let mut request = http::Request::builder().method(method).uri(path).header("host", &*self.authority);
        if !matches!(operation, Operation::Healthz | Operation::Readyz) {
            request = request.header("authorization", &**authorization);
        }
        if operation == Operation::PlaceOrder {
            let key = format!("{:x}-{}", self.key_prefix, self.orders_placed);
            request = request.header("idempotency-key", key);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        request.body(Full::new(Bytes::from(body))).ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Runs operations against a server that responds with these statuses; returns the requests it received.
    async fn requests(operations: &'static [Operation], statuses: &'static [u16]) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority: Arc<str> = listener.local_addr().unwrap().to_string().into();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            for status in statuses {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                received.push(String::from_utf8_lossy(&request[..length]).into_owned());
                let response = format!("HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(response.as_bytes()).await.unwrap();
            }
            received
        });
        let account = Account {
            number: 0,
            email: "ada@load.example".into(),
            password: "secret".into(),
            authorization: "Bearer a.b.c".into(),
            products: [7, 8].into(),
        };
        let mut user = VirtualUser::new(&authority, account, operations);
        for _ in statuses {
            user.run_next().await;
        }
        server.await.unwrap()
    }

    fn idempotency_key(request: &str) -> &str {
        request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap()
    }

    #[tokio::test]
    async fn adds_a_product_before_it_places_an_order() {
        let requests = requests(&[Operation::PlaceOrder], &[503, 200, 201, 200]).await;
        let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
        let (add, order) = ("POST /api/cart/add HTTP/1.1", "POST /api/orders HTTP/1.1");
        assert_eq!(lines, [add, add, order, add]);
    }

    #[tokio::test]
    async fn retries_an_order_with_the_same_key() {
        let requests = requests(&[Operation::PlaceOrder], &[200, 503, 201, 200, 201]).await;
        assert_eq!(idempotency_key(&requests[1]), idempotency_key(&requests[2]));
        assert_ne!(idempotency_key(&requests[2]), idempotency_key(&requests[4]));
    }

    #[tokio::test]
    async fn sends_no_token_with_a_health_probe() {
        let requests = requests(&[Operation::Readyz, Operation::Profile], &[200, 200]).await;
        assert!(!requests[0].contains("authorization"), "{}", requests[0]);
        assert!(requests[1].contains("authorization: Bearer a.b.c"), "{}", requests[1]);
    }
}
