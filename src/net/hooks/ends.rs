//! The hooks around nghttp2 that show how streams end.
//!
//! What a server refuses, or leaves behind when it closes a connection, it has not begun (RFC 9113 §8.7): that costs nothing
//! to ask again, and the flow has to know it. libcurl does not say so. It gives the connection up and asks once more by
//! itself, on a new one, at once and several times, past all that the flow knows about the host; so it is told that such a
//! stream was cancelled.
//!
//! Nor does libcurl tell a body that has come to its end from one that was reset without an error, or from one that goes on
//! behind its declared end. So frames are noted when they come: how much they carry, and which is the last.

use std::ffi::{c_int, c_void};

use libnghttp2_sys as ng;

use super::with;
use crate::net::http2::callbacks::{CloseCallback, FrameCallback};

unsafe extern "C" {
    fn __real_nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks: *mut ng::nghttp2_session_callbacks,
        receive: Option<FrameCallback>,
    );
    fn __real_nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks: *mut ng::nghttp2_session_callbacks,
        closed: Option<CloseCallback>,
    );
}

/// Puts our callback for received frames before libcurl's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_callbacks_set_on_frame_recv_callback(
    callbacks: *mut ng::nghttp2_session_callbacks,
    receive: Option<FrameCallback>,
) {
    let ours =
        with(|wire| wire.callbacks.receive = receive).map(|()| receive_frame as FrameCallback);
    // SAFETY: the caller's arguments; our callback has the same contract.
    unsafe {
        __real_nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ours.or(receive));
    }
}

/// Notes how far bodies have come (RFC 9113 §8.1), and what a server says it leaves behind (RFC 9113 §6.8).
unsafe extern "C" fn receive_frame(
    session: *mut ng::nghttp2_session,
    frame: *const ng::nghttp2_frame,
    user: *mut c_void,
) -> c_int {
    // SAFETY: nghttp2 passes a frame, each kind of which begins with its head.
    let head = unsafe { (*frame).hd };
    if u32::from(head.type_) == ng::NGHTTP2_GOAWAY {
        // SAFETY: its head says that it is one.
        let goaway = unsafe { &(*frame).goaway };
        let (last, code) = (goaway.last_stream_id, goaway.error_code);
        // Before nghttp2 closes the streams that are left behind.
        with(|wire| wire.goes_away(session as usize, last, code));
    }
    let kind = u32::from(head.type_);
    if [ng::NGHTTP2_DATA, ng::NGHTTP2_HEADERS].contains(&kind) {
        // SAFETY: the session is alive during its own callback; libcurl's data of a stream is its easy handle, which is only
        // compared here.
        let easy = unsafe { ng::nghttp2_session_get_stream_user_data(session, head.stream_id) };
        let carried = match kind {
            // SAFETY: its head says that it is one.
            ng::NGHTTP2_DATA => head.length - unsafe { (*frame).data.padlen },
            _ => 0,
        };
        let is_last = u32::from(head.flags) & ng::NGHTTP2_FLAG_END_STREAM != 0;
        with(|wire| wire.came(easy as usize, carried as u64, is_last));
    }
    match with(|wire| wire.callbacks.receive).flatten() {
        // SAFETY: nghttp2's arguments, unchanged.
        Some(receive) => unsafe { receive(session, frame, user) },
        None => ng::NGHTTP2_ERR_CALLBACK_FAILURE,
    }
}

/// Puts our callback for the end of a stream before libcurl's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_callbacks_set_on_stream_close_callback(
    callbacks: *mut ng::nghttp2_session_callbacks,
    closed: Option<CloseCallback>,
) {
    let ours = with(|wire| wire.callbacks.closed = closed).map(|()| stream_closed as CloseCallback);
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
    let Some(Some(closed)) = with(|wire| wire.callbacks.closed) else {
        return ng::NGHTTP2_ERR_CALLBACK_FAILURE;
    };
    // SAFETY: the session is alive during its own callback, and the function only looks up a pointer, which is not followed.
    let easy = unsafe { ng::nghttp2_session_get_stream_user_data(session, stream) };
    let code = with(|wire| wire.closed(easy as usize, code)).unwrap_or(code);
    // SAFETY: nghttp2's arguments, with another valid error code.
    unsafe { closed(session, stream, code, user) }
}
