//! The hooks around nghttp2's flow control (RFC 9113 §5.2): what is received is acknowledged as the browser does it.
//!
//! libcurl's own window sizes and updates are kept from nghttp2. How much is due, and what a paused transfer holds back, is
//! reckoned in [`http2`](crate::net::http2).

use std::ffi::c_int;

use libnghttp2_sys as ng;

use super::with;
use crate::net::http2::Consumed;

unsafe extern "C" {
    fn __real_nghttp2_session_consume(
        session: *mut ng::nghttp2_session,
        stream: i32,
        size: usize,
    ) -> c_int;
    fn __real_nghttp2_session_set_local_window_size(
        session: *mut ng::nghttp2_session,
        flags: u8,
        stream: i32,
        size: i32,
    ) -> c_int;
    fn __real_nghttp2_submit_window_update(
        session: *mut ng::nghttp2_session,
        flags: u8,
        stream: i32,
        increment: i32,
    ) -> c_int;
}

/// As libcurl does it when bytes are done with.
///
/// # Safety
/// `session` must be alive, and `size` bytes of the stream received and not consumed.
pub(super) unsafe fn consume(session: *mut ng::nghttp2_session, stream: i32, size: usize) {
    // SAFETY: as the caller vouches. That it fails for lack of memory shows when the connection is used.
    let _ = unsafe { __wrap_nghttp2_session_consume(session, stream, size) };
}

/// Submits a WINDOW_UPDATE of ours, past the hook that drops libcurl's.
///
/// # Safety
/// `session` must be alive.
pub(super) unsafe fn submit(
    session: *mut ng::nghttp2_session,
    stream: i32,
    increment: i32,
) -> c_int {
    // SAFETY: as the caller vouches; an increment that is not allowed is an error that changes nothing.
    unsafe { __real_nghttp2_submit_window_update(session, 0, stream, increment) }
}

/// Acknowledges received bytes as the browser does; holds back the credit of a stream whose transfer is paused.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_consume(
    session: *mut ng::nghttp2_session,
    stream: i32,
    size: usize,
) -> c_int {
    // SAFETY: the caller's session; the function only reads.
    let unacknowledged = unsafe { ng::nghttp2_session_get_effective_recv_data_length(session) };
    match with(|wire| wire.consume(session as usize, stream, size, unacknowledged)) {
        // SAFETY: the caller's session.
        Some(Consumed::Updates(updates)) => unsafe { update_windows(session, &updates) },
        // SAFETY: the caller's arguments, unchanged.
        Some(Consumed::Counted) | None => unsafe {
            __real_nghttp2_session_consume(session, stream, size)
        },
    }
}

/// libcurl moves windows to its own sizes, and to zero and back for a pause. The connection's becomes the browser's;
/// a stream's stays as SETTINGS made it, and a pause holds its credit back instead.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_set_local_window_size(
    session: *mut ng::nghttp2_session,
    flags: u8,
    stream: i32,
    size: i32,
) -> c_int {
    if stream == 0 {
        let size = with(|wire| wire.connection_window()).unwrap_or(size);
        // SAFETY: the caller's session with another size, at least the protocol's initial one.
        return unsafe {
            __real_nghttp2_session_set_local_window_size(session, flags, stream, size)
        };
    }
    let Some(held) = with(|wire| wire.session(session as usize).pause(stream, size == 0)) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe {
            __real_nghttp2_session_set_local_window_size(session, flags, stream, size)
        };
    };
    if held > 0 {
        // SAFETY: the caller's session; `held` bytes were received on this stream and not consumed yet.
        return unsafe { __wrap_nghttp2_session_consume(session, stream, held) };
    }
    0
}

/// libcurl's own stream windows are not used, so their updates must not be seen either.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_submit_window_update(
    session: *mut ng::nghttp2_session,
    flags: u8,
    stream: i32,
    increment: i32,
) -> c_int {
    if with(|_| ()).is_some() {
        return 0;
    }
    // SAFETY: the caller's arguments, unchanged.
    unsafe { __real_nghttp2_submit_window_update(session, flags, stream, increment) }
}

/// Submits a WINDOW_UPDATE for each stream and increment; those of closed streams are ignored by nghttp2.
///
/// # Safety
/// `session` must be alive.
unsafe fn update_windows(session: *mut ng::nghttp2_session, updates: &[(i32, i32)]) -> c_int {
    for &(stream, increment) in updates {
        // SAFETY: the caller vouches for the session; so many bytes were received and not acknowledged.
        let result = unsafe { submit(session, stream, increment) };
        if result != 0 {
            return result;
        }
    }
    0
}
