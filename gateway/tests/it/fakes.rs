//! The services behind the gateway: each answers what a test says, and remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bodega_runtime::{
    auth::ServiceToken,
    transport::{Grpc, Transport},
};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Status, Streaming, body::Body, transport::Server};
use tonic_prost::ProstCodec;
use tower::util::BoxCloneSyncService;

type Answer = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A service. What no test has said anything about is `UNIMPLEMENTED`.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    answers: Mutex<HashMap<&'static str, Answer>>,
    metadata: Mutex<HashMap<String, HeaderMap>>,
}

/// The requests that an RPC has had.
pub(crate) struct Heard<Req>(Arc<Mutex<Vec<Req>>>);

impl<Req: Clone> Heard<Req> {
    /// The latest.
    pub(crate) fn last(&self) -> Req {
        self.0.lock().unwrap().last().cloned().expect("the gateway has not called")
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Fake {
    /// From now on, `rpc` answers so.
    pub(crate) fn on<Req, Res>(
        &self,
        rpc: &'static str,
        answer: impl Fn(Req) -> Result<Res, Status> + Send + Sync + 'static,
    ) -> Heard<Req>
    where
        Req: Message + Default + Clone + 'static,
        Res: Message + 'static,
    {
        self.on_slow(rpc, move |request| std::future::ready(answer(request)))
    }

    /// From now on, `rpc` answers so, in its own time.
    pub(crate) fn on_slow<Req, Res, F>(
        &self,
        rpc: &'static str,
        answer: impl Fn(Req) -> F + Send + Sync + 'static,
    ) -> Heard<Req>
    where
        Req: Message + Default + Clone + 'static,
        Res: Message + 'static,
        F: Future<Output = Result<Res, Status>> + Send + 'static,
    {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (answer, hearing) = (Arc::new(answer), heard.clone());
        let method: Answer = Arc::new(move |request| {
            let (answer, hearing) = (answer.clone(), hearing.clone());
            let method = tower::service_fn(move |request: tonic::Request<Req>| {
                let request = request.into_inner();
                hearing.lock().unwrap().push(request.clone());
                let answer = answer.clone();
                async move { answer(request).await.map(tonic::Response::new) }
            });
            Box::pin(async move {
                tonic::server::Grpc::new(ProstCodec::<Res, Req>::default()).unary(method, request).await
            })
        });
        self.0.answers.lock().unwrap().insert(rpc, method);
        Heard(heard)
    }

    /// From now on, `rpc` takes a stream of messages and answers so.
    pub(crate) fn on_stream<Req, Res, F>(
        &self,
        rpc: &'static str,
        answer: impl Fn(Streaming<Req>) -> F + Send + Sync + 'static,
    ) where
        Req: Message + Default + 'static,
        Res: Message + 'static,
        F: Future<Output = Result<Res, Status>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let method: Answer = Arc::new(move |request| {
            let answer = answer.clone();
            let method = tower::service_fn(move |request: tonic::Request<Streaming<Req>>| {
                let answer = answer(request.into_inner());
                async move { answer.await.map(tonic::Response::new) }
            });
            Box::pin(async move {
                let codec = ProstCodec::<Res, Req>::default();
                tonic::server::Grpc::new(codec).client_streaming(method, request).await
            })
        });
        self.0.answers.lock().unwrap().insert(rpc, method);
    }

    /// The metadata that the latest call of `rpc` came with.
    pub(crate) fn metadata(&self, rpc: &str) -> HeaderMap {
        self.0.metadata.lock().unwrap().get(rpc).cloned().expect("the gateway has not called")
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        self.0.metadata.lock().unwrap().insert(rpc.clone(), request.headers().clone());
        let answer = self.0.answers.lock().unwrap().get(rpc.as_str()).cloned();
        match answer {
            Some(answer) => answer(request).await,
            None => Status::unimplemented(rpc).into_http(),
        }
    }

    /// The way to it.
    pub(crate) fn transport(&self, name: &'static str) -> Transport {
        in_process(name, self.service())
    }

    /// The way to it over a socket, as if it were a process of its own.
    pub(crate) async fn remote(&self, name: &'static str) -> Transport {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().serve_with_incoming(self.service(), incoming));
        Transport::remote(name, uri, &ServiceToken::random())
    }

    fn service(&self) -> Grpc {
        let fake = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request| {
            let fake = fake.clone();
            async move { Ok(fake.answer(request).await) }
        }))
    }
}

/// The way to a service that asks nobody for a service token.
pub(crate) fn in_process(name: &'static str, service: Grpc) -> Transport {
    Transport::in_process(name, service, &ServiceToken::random())
}
