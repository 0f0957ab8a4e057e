//! Fake services: a test defines the responses of their RPCs, and reads the calls that they received.

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

type Handler = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A fake service. An RPC without a defined response is `UNIMPLEMENTED`.
#[derive(Clone, Default)]
pub(crate) struct FakeService(Arc<Inner>);

#[derive(Default)]
struct Inner {
    responses: Mutex<HashMap<&'static str, Handler>>,
    metadata: Mutex<HashMap<String, HeaderMap>>,
}

/// The calls of an RPC.
pub(crate) struct Calls<Req>(Arc<Mutex<Vec<Req>>>);

impl<Req: Clone> Calls<Req> {
    /// The latest request.
    pub(crate) fn last(&self) -> Req {
        self.0.lock().unwrap().last().cloned().expect("the gateway has called the RPC")
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl FakeService {
    /// Defines the response of `rpc`.
    pub(crate) fn on<Req, Res>(
        &self,
        rpc: &'static str,
        response: impl Fn(Req) -> Result<Res, Status> + Send + Sync + 'static,
    ) -> Calls<Req>
    where
        Req: Message + Default + Clone + 'static,
        Res: Message + 'static,
    {
        self.on_slow(rpc, move |request| std::future::ready(response(request)))
    }

    /// Defines the response of `rpc`, which may take time.
    pub(crate) fn on_slow<Req, Res, F>(
        &self,
        rpc: &'static str,
        response: impl Fn(Req) -> F + Send + Sync + 'static,
    ) -> Calls<Req>
    where
        Req: Message + Default + Clone + 'static,
        Res: Message + 'static,
        F: Future<Output = Result<Res, Status>> + Send + 'static,
    {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (response, recorder) = (Arc::new(response), calls.clone());
        let method: Handler = Arc::new(move |request| {
            let (response, recorder) = (response.clone(), recorder.clone());
            let method = tower::service_fn(move |request: tonic::Request<Req>| {
                let request = request.into_inner();
                recorder.lock().unwrap().push(request.clone());
                let response = response.clone();
                async move { response(request).await.map(tonic::Response::new) }
            });
            Box::pin(async move {
                tonic::server::Grpc::new(ProstCodec::<Res, Req>::default()).unary(method, request).await
            })
        });
        self.0.responses.lock().unwrap().insert(rpc, method);
        Calls(calls)
    }

    /// Defines the response of `rpc`, which receives a stream of messages.
    pub(crate) fn on_stream<Req, Res, F>(
        &self,
        rpc: &'static str,
        response: impl Fn(Streaming<Req>) -> F + Send + Sync + 'static,
    ) where
        Req: Message + Default + 'static,
        Res: Message + 'static,
        F: Future<Output = Result<Res, Status>> + Send + 'static,
    {
        let response = Arc::new(response);
        let method: Handler = Arc::new(move |request| {
            let response = response.clone();
            let method = tower::service_fn(move |request: tonic::Request<Streaming<Req>>| {
                let response = response(request.into_inner());
                async move { response.await.map(tonic::Response::new) }
            });
            Box::pin(async move {
                let codec = ProstCodec::<Res, Req>::default();
                tonic::server::Grpc::new(codec).client_streaming(method, request).await
            })
        });
        self.0.responses.lock().unwrap().insert(rpc, method);
    }

    /// The metadata of the latest call of `rpc`.
    pub(crate) fn metadata(&self, rpc: &str) -> HeaderMap {
        self.0.metadata.lock().unwrap().get(rpc).cloned().expect("the gateway has called the RPC")
    }

    pub(crate) async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        self.0.metadata.lock().unwrap().insert(rpc.clone(), request.headers().clone());
        let response = self.0.responses.lock().unwrap().get(rpc.as_str()).cloned();
        match response {
            Some(response) => response(request).await,
            None => Status::unimplemented(rpc).into_http(),
        }
    }

    /// A transport in the same process.
    pub(crate) fn transport(&self, name: &'static str) -> Transport {
        in_process(name, self.service())
    }

    /// A transport over a socket, as to another process.
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
            async move { Ok(fake.handle(request).await) }
        }))
    }
}

/// A transport to a service that accepts any service token.
pub(crate) fn in_process(name: &'static str, service: Grpc) -> Transport {
    Transport::in_process(name, service, &ServiceToken::random())
}
