//! What libcurl reports, in the terms of [`retry`](crate::retry).
//!
//! The only place that knows a `CURLcode`. libcurl's own sentence is kept for the user; the [`Fault`] decides.

use crate::retry::Fault;

/// A transfer that brought no complete message, or could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    fault: Fault,
    message: String,
}

impl Error {
    /// An error of our own making.
    #[must_use]
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
        }
    }

    /// The kind of failure.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    pub(super) fn setup(message: String) -> Self {
        Self::new(Fault::Other(message.clone()), message)
    }

    /// The driver ended without ending this transfer.
    pub(super) fn gone() -> Self {
        Self::setup("the network thread has stopped".into())
    }

    pub(super) fn from_curl(error: &curl::Error) -> Self {
        let message = plain(
            error
                .extra_description()
                .unwrap_or_else(|| error.description()),
        );
        Self::new(fault(error, &message), message)
    }

    /// Whether what came over HTTP/1.1 does not begin as an answer does.
    pub(super) fn is_no_answer(&self) -> bool {
        ["invalid status line", "received HTTP/0.9"]
            .iter()
            .any(|sentence| self.message.starts_with(sentence))
    }
}

/// Maps a `CURLcode`; some are too coarse and are told apart by libcurl's sentence.
fn fault(error: &curl::Error, message: &str) -> Fault {
    match error.code() {
        curl_sys::CURLE_COULDNT_RESOLVE_HOST => Fault::Resolve,
        curl_sys::CURLE_COULDNT_RESOLVE_PROXY | CURLE_PROXY => Fault::Proxy(message.into()),
        curl_sys::CURLE_COULDNT_CONNECT | curl_sys::CURLE_RECV_ERROR
            if message.starts_with("CONNECT tunnel failed") =>
        {
            Fault::Proxy(message.into())
        }
        curl_sys::CURLE_COULDNT_CONNECT => Fault::Connect,
        curl_sys::CURLE_OPERATION_TIMEDOUT if message.contains("onnect") => Fault::ConnectTimeout,
        curl_sys::CURLE_OPERATION_TIMEDOUT => Fault::Timeout,
        curl_sys::CURLE_PEER_FAILED_VERIFICATION
        | curl_sys::CURLE_SSL_ISSUER_ERROR
        | CURLE_SSL_PINNEDPUBKEYNOTMATCH => Fault::Certificate(message.into()),
        curl_sys::CURLE_SSL_CERTPROBLEM
        | curl_sys::CURLE_SSL_CACERT_BADFILE
        | curl_sys::CURLE_BAD_FUNCTION_ARGUMENT
        | curl_sys::CURLE_INTERFACE_FAILED => Fault::Unable(message.into()),
        curl_sys::CURLE_SSL_CONNECT_ERROR if is_cut(message) => Fault::Reset,
        curl_sys::CURLE_SSL_CONNECT_ERROR | curl_sys::CURLE_SSL_CIPHER => {
            Fault::Tls(message.into())
        }
        curl_sys::CURLE_SEND_ERROR
        | curl_sys::CURLE_RECV_ERROR
        | curl_sys::CURLE_GOT_NOTHING
        | curl_sys::CURLE_PARTIAL_FILE => Fault::Reset,
        curl_sys::CURLE_HTTP2 | curl_sys::CURLE_HTTP2_STREAM => http2_fault(message),
        curl_sys::CURLE_FTP_WEIRD_SERVER_REPLY => Fault::Protocol(message.into()),
        curl_sys::CURLE_URL_MALFORMAT | curl_sys::CURLE_UNSUPPORTED_PROTOCOL => {
            Fault::Impossible(message.into())
        }
        _ => Fault::Other(message.into()),
    }
}

/// Whether a handshake failed because the connection did: a server with enough of them resets the next at once.
fn is_cut(message: &str) -> bool {
    ["reset by peer", "roken pipe", "SYSCALL"]
        .iter()
        .any(|part| message.contains(part))
}

/// libcurl ends its sentence about a stream with the error's number and name: `… (error 0x2 INTERNAL_ERROR)`. A head that
/// breaks the rules has nghttp2's sentence.
fn http2_fault(message: &str) -> Fault {
    if message
        .to_ascii_lowercase()
        .starts_with("invalid http header")
    {
        return Fault::Protocol(message.into());
    }
    let code = message
        .rsplit_once("(error 0x")
        .and_then(|(_, rest)| rest.split([' ', ')']).next())
        .and_then(|number| u32::from_str_radix(number, 16).ok())
        .unwrap_or(0);
    match code {
        REFUSED_STREAM => Fault::RefusedStream,
        HTTP_1_1_REQUIRED => Fault::Http11Required,
        code => Fault::Http2 { code },
    }
}

/// Codes that the bindings lack.
const CURLE_SSL_PINNEDPUBKEYNOTMATCH: curl_sys::CURLcode = 90;
const CURLE_PROXY: curl_sys::CURLcode = 97;
/// Error codes of HTTP/2 (RFC 9113 §7).
const REFUSED_STREAM: u32 = 7;
const HTTP_1_1_REQUIRED: u32 = 13;

/// libcurl's sentence, without what it says twice, and without a library that is not there.
fn plain(message: &str) -> String {
    let once = message.strip_suffix(": Could not connect to server");
    lower_first(
        &once
            .unwrap_or(message)
            .replace("OpenSSL verify result", "verify result"),
    )
}

/// libcurl's sentences begin with a capital; ours stand behind a colon. Abbreviations stay.
fn lower_first(message: &str) -> String {
    let mut letters = message.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_another_answer_is_none() {
        for sentence in ["Invalid status line", "Received HTTP/0.9 when not allowed"] {
            assert!(Error::new(Fault::Other("".into()), plain(sentence)).is_no_answer());
        }
        let other = plain("Invalid HTTP header field was received: type 1");
        assert!(!Error::new(Fault::Other("".into()), other).is_no_answer());
    }

    #[test]
    fn stream_errors_are_told_apart_by_their_number() {
        let told = |code| {
            http2_fault(&format!(
                "HTTP/2 stream 1 reset by server (error {code:#x} X)"
            ))
        };
        assert_eq!(told(7), Fault::RefusedStream);
        assert_eq!(told(13), Fault::Http11Required);
        assert_eq!(told(11), Fault::Http2 { code: 11 });
        assert_eq!(told(2), Fault::Http2 { code: 2 });
        assert_eq!(http2_fault("no number"), Fault::Http2 { code: 0 });
        let broken = "Invalid HTTP header field was received: frame type: 1";
        assert_eq!(http2_fault(broken), Fault::Protocol(broken.into()));
    }

    #[test]
    fn nothing_is_said_twice() {
        for (theirs, ours) in [
            (
                "Failed to connect to h:1 after 6 ms: Could not connect to server",
                "failed to connect to h:1 after 6 ms",
            ),
            ("Could not connect to server", "could not connect to server"),
            (
                "SSL certificate OpenSSL verify result: self signed certificate (18)",
                "SSL certificate verify result: self signed certificate (18)",
            ),
        ] {
            assert_eq!(plain(theirs), ours);
        }
    }

    #[test]
    fn sentences_begin_small_and_abbreviations_stay() {
        assert_eq!(
            lower_first("Could not resolve host: x"),
            "could not resolve host: x"
        );
        assert_eq!(
            lower_first("SSL certificate problem"),
            "SSL certificate problem"
        );
        assert_eq!(lower_first("A b"), "a b");
        assert_eq!(lower_first(""), "");
    }
}
