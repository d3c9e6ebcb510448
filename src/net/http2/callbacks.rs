//! What libcurl gives nghttp2 to be called back by. Our own callbacks stand before these and pass on to them.

use std::ffi::{c_int, c_void};

use libnghttp2_sys as ng;

/// A frame has come (`nghttp2_on_frame_recv_callback`).
pub(in crate::net) type FrameCallback =
    unsafe extern "C" fn(*mut ng::nghttp2_session, *const ng::nghttp2_frame, *mut c_void) -> c_int;

/// A stream is closed (`nghttp2_on_stream_close_callback`).
pub(in crate::net) type CloseCallback =
    unsafe extern "C" fn(*mut ng::nghttp2_session, i32, u32, *mut c_void) -> c_int;

/// Bytes are to be sent (`nghttp2_send_callback`).
pub(in crate::net) type SendCallback =
    unsafe extern "C" fn(*mut ng::nghttp2_session, *const u8, usize, c_int, *mut c_void) -> isize;

/// libcurl's callbacks, each the same for all sessions; `None` before the first.
#[derive(Default)]
pub(in crate::net) struct Callbacks {
    /// For bytes on their way out.
    pub send: Option<SendCallback>,
    /// For received frames.
    pub receive: Option<FrameCallback>,
    /// For the ends of streams.
    pub closed: Option<CloseCallback>,
}
