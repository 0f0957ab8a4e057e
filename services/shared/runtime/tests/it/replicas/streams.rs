//! Streams without an end, whose replica fails.

use std::time::Duration;

use bodega_proto::identity::v1::{
    WatchRevocationsRequest, WatchRevocationsResponse, token_service_client::TokenServiceClient,
};
use bodega_runtime::transport::Transport;
use tokio::time::timeout;
use tonic::Streaming;

use super::{Name, read, start};
use crate::scripted_upstream::{Action, ScriptedUpstream};

async fn open(transport: &Transport) -> Streaming<WatchRevocationsResponse> {
    let mut client = TokenServiceClient::new(transport.clone().streaming());
    let mut stream = client.watch_revocations(WatchRevocationsRequest {}).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    stream
}

/// What happens to the replica of the stream.
#[derive(Debug)]
enum Fault {
    Killed,
    Frozen,
    Removed,
}

#[tokio::test]
async fn a_stream_moves_to_another_replica() {
    for fault in [Fault::Killed, Fault::Frozen, Fault::Removed] {
        let replicas: [ScriptedUpstream; 2] = start(Action::Stream).await;
        let name = Name::of(&replicas);
        let transport = name.transport();
        let mut stream = open(&transport).await;
        let [one, two] = replicas;
        let (used, other) = if one.calls() == 1 { (one, two) } else { (two, one) };
        assert_eq!((used.calls(), other.calls()), (1, 0));

        let _frozen = match fault {
            Fault::Killed => {
                drop(used);
                None
            }
            Fault::Frozen => {
                used.freeze(true);
                Some(used)
            }
            Fault::Removed => {
                name.set([&other]);
                // A call makes the transport look the name up.
                let lookups = name.lookups();
                let started = std::time::Instant::now();
                while name.lookups() < lookups + 2 {
                    assert!(started.elapsed() < Duration::from_secs(30), "the name is not looked up");
                    let _ = timeout(Duration::from_millis(50), read(transport.clone())).await;
                }
                Some(used)
            }
        };
        let ended = timeout(Duration::from_secs(5), stream.message()).await;
        ended.unwrap_or_else(|_| panic!("{fault:?}: the stream does not end")).unwrap_err();
        let before = other.calls();
        let _stream = open(&transport).await;
        assert_eq!(other.calls(), before + 1, "{fault:?}");
    }
}
