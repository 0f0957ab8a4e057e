//! The errors of calls without a response. They show whether the call may have been served.

use std::error::Error;

use tonic::{ConnectError, TimeoutExpired};

/// The reason why a call has no response. Contains the channel's error as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// No part of the call has left this process.
    #[error("cannot connect: {0}")]
    NotSent(String),
    /// The upstream has reported that it did not process the call.
    #[error("call not processed: {0}")]
    Unprocessed(String),
    /// The connection broke: the call may have been served, or may still be.
    #[error("connection lost: {0}")]
    ConnectionLost(String),
    #[error("deadline exceeded")]
    DeadlineExceeded,
}

impl CallError {
    /// Returns the kind of error as a short name, for spans.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Unprocessed(_) => "unprocessed",
            Self::ConnectionLost(_) => "connection_lost",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }

    /// Classifies the channel's error. One that proves nothing is [`CallError::ConnectionLost`].
    pub(super) fn from_error(error: &(dyn Error + 'static)) -> Self {
        let sources = || std::iter::successors(Some(error), |&error| error.source());
        // The outer errors only say that there was an error.
        let text = sources().last().unwrap_or(error).to_string();
        if sources().any(|source| source.is::<TimeoutExpired>()) {
            return Self::DeadlineExceeded;
        }
        if sources().any(|source| source.is::<ConnectError>()) {
            return Self::NotSent(text);
        }
        // hyper cancels requests that it has not yet handed to HTTP/2 when the connection closes.
        if sources().filter_map(|source| source.downcast_ref()).any(hyper::Error::is_canceled) {
            return Self::NotSent(text);
        }
        if sources().filter_map(|source| source.downcast_ref()).any(is_unprocessed) {
            return Self::Unprocessed(text);
        }
        Self::ConnectionLost(text)
    }
}

/// Returns whether the peer has reported that it did not process this stream (RFC 9113, section 8.7).
///
/// A GOAWAY covers the streams beyond the last one that the peer processes. It also covers a stream that was just being
/// opened: its message was not sent, and no unary call is served without one.
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}
