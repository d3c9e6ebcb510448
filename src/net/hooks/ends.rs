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
pub(in crate::net) type FrameReceived =
    unsafe extern "C" fn(*mut ng::nghttp2_session, *const ng::nghttp2_frame, *mut c_void) -> c_int;

unsafe extern "C" {
    fn __real_nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks: *mut ng::nghttp2_session_callbacks,
        closed: Option<StreamClosed>,
    );
    fn __real_nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks: *mut ng::nghttp2_session_callbacks,
        received: Option<FrameReceived>,
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

/// Puts our callback before libcurl's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_callbacks_set_on_frame_recv_callback(
    callbacks: *mut ng::nghttp2_session_callbacks,
    received: Option<FrameReceived>,
) {
    let ours =
        with(|wire| wire.set_frame_received(received)).map(|()| frame_received as FrameReceived);
    // SAFETY: the caller's arguments; our callback has the same contract.
    unsafe {
        __real_nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ours.or(received));
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
    let code = with(|wire| wire.ended(easy as usize, code)).unwrap_or(code);
    // SAFETY: nghttp2's arguments, with another valid error code.
    unsafe { closed(session, stream, code, user) }
}

/// A frame has come; GOAWAY is noted before nghttp2 closes the streams that are left behind.
unsafe extern "C" fn frame_received(
    session: *mut ng::nghttp2_session,
    frame: *const ng::nghttp2_frame,
    user: *mut c_void,
) -> c_int {
    let Some(Some(received)) = with(|wire| wire.frame_received()) else {
        return ng::NGHTTP2_ERR_CALLBACK_FAILURE;
    };
    // SAFETY: nghttp2 passes a frame, all kinds of which begin with the same head.
    if u32::from(unsafe { (*frame).hd.type_ }) == ng::NGHTTP2_GOAWAY {
        // SAFETY: its head says that it is one.
        let goaway = unsafe { &(*frame).goaway };
        let (last, code) = (goaway.last_stream_id, goaway.error_code);
        with(|wire| wire.goes_away(session as usize, last, code));
    }
    // SAFETY: nghttp2's arguments, unchanged.
    unsafe { received(session, frame, user) }
}
