//! The hooks around nghttp2 that show how streams end.
//!
//! What a server refuses, or leaves behind when it closes a connection, it has not begun (RFC 9113 §8.7): that costs nothing
//! to ask again, and the flow has to know it. libcurl does not say so. It gives the connection up and asks once more by
//! itself, on a new one, at once and several times, past all that the flow knows about the host; so it is told that such a
//! stream was cancelled.

use std::ffi::{c_int, c_void};

use libnghttp2_sys as ng;

use super::with;

pub(in crate::net) type StreamClosed =
    unsafe extern "C" fn(*mut ng::nghttp2_session, i32, u32, *mut c_void) -> c_int;

unsafe extern "C" {
    fn __real_nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks: *mut ng::nghttp2_session_callbacks,
        closed: Option<StreamClosed>,
    );
}

/// Puts our callback before libcurl's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_callbacks_set_on_stream_close_callback(
    callbacks: *mut ng::nghttp2_session_callbacks,
    closed: Option<StreamClosed>,
) {
    let ours = with(|wire| wire.set_stream_closed(closed)).map(|()| stream_closed as StreamClosed);
    // SAFETY: the caller's arguments; our callback has the same contract.
    unsafe {
        __real_nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, ours.or(closed));
    }
}

/// A stream has ended, whoever ended it.
unsafe extern "C" fn stream_closed(
    session: *mut ng::nghttp2_session,
    stream: i32,
    code: u32,
    user: *mut c_void,
) -> c_int {
    let Some(Some(closed)) = with(|wire| wire.stream_closed()) else {
        return ng::NGHTTP2_ERR_CALLBACK_FAILURE;
    };
    // SAFETY: the session is alive during its own callback, and the function only looks up a pointer, which is not followed.
    let easy = unsafe { ng::nghttp2_session_get_stream_user_data(session, stream) };
    let code = with(|wire| wire.closed(easy as usize, code)).unwrap_or(code);
    // SAFETY: nghttp2's arguments, with another valid error code.
    unsafe { closed(session, stream, code, user) }
}
