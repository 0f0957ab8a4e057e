//! Why a call has no answer, and what that says about whether it was served.

use std::{error::Error, time::Duration};

use http::Response;
use tonic::{ConnectError, TimeoutExpired, body::Body};

use super::deadline_exceeded;
use crate::status;

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// Nothing of it has left this process.
    NotSent,
    /// The neighbour says that it did not look at it.
    Unprocessed,
    /// Its connection broke: it may have been served, or be served still.
    ConnectionLost,
    /// Its time was up.
    DeadlineExceeded,
}

impl CallError {
    /// What the channel's error means. What proves nothing is [`CallError::ConnectionLost`].
    pub(super) fn from_error(cause: &(dyn Error + 'static)) -> Self {
        let causes = || std::iter::successors(Some(cause), |&cause| cause.source());
        if causes().any(|cause| cause.is::<TimeoutExpired>()) {
            return Self::DeadlineExceeded;
        }
        if causes().any(|cause| cause.is::<ConnectError>()) {
            return Self::NotSent;
        }
        // hyper cancels what it has not given to HTTP/2 when the connection is closed or closing.
        if causes().filter_map(|cause| cause.downcast_ref()).any(hyper::Error::is_canceled) {
            return Self::NotSent;
        }
        if causes().filter_map(|cause| cause.downcast_ref()).any(is_refusal) {
            return Self::Unprocessed;
        }
        Self::ConnectionLost
    }

    /// What whoever called is told.
    pub(super) fn into_http(self) -> Response<Body> {
        match self {
            Self::DeadlineExceeded => deadline_exceeded().into_http(),
            Self::NotSent | Self::Unprocessed | Self::ConnectionLost => {
                status::unavailable("a service is unavailable", Duration::from_secs(1)).into_http()
            }
        }
    }
}

/// Whether a peer that received this stream, or would have, says that it is not processed (RFC 9113, section 8.7).
///
/// A GOAWAY reaches the streams beyond the last that the peer will look at. It also reaches one that was just being
/// opened: of that, the message was not sent, without which no unary call is served.
fn is_refusal(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}
