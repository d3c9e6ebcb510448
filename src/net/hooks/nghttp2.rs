//! The hooks around nghttp2's sessions and requests: options, SETTINGS, header lists, and frames on their way out.

use std::ffi::{c_int, c_void};
use std::slice;

use libnghttp2_sys as ng;

use super::{windows, with};
use crate::net::http2::callbacks::SendCallback;

unsafe extern "C" {
    fn __real_nghttp2_option_new(option: *mut *mut ng::nghttp2_option) -> c_int;
    fn __real_nghttp2_session_callbacks_set_send_callback(
        callbacks: *mut ng::nghttp2_session_callbacks,
        send: Option<SendCallback>,
    );
    fn __real_nghttp2_session_del(session: *mut ng::nghttp2_session);
    fn __real_nghttp2_session_get_remote_settings(
        session: *mut ng::nghttp2_session,
        id: ng::nghttp2_settings_id,
    ) -> u32;
    fn __real_nghttp2_submit_request(
        session: *mut ng::nghttp2_session,
        priority: *const ng::nghttp2_priority_spec,
        headers: *const ng::nghttp2_nv,
        count: usize,
        data: *const ng::nghttp2_data_provider,
        easy: *mut c_void,
    ) -> i32;
    fn __real_nghttp2_submit_rst_stream(
        session: *mut ng::nghttp2_session,
        flags: u8,
        stream: i32,
        code: u32,
    ) -> c_int;
    fn __real_nghttp2_submit_settings(
        session: *mut ng::nghttp2_session,
        flags: u8,
        entries: *const ng::nghttp2_settings_entry,
        count: usize,
    ) -> c_int;
}

/// The setting of how many streams at once a peer takes (RFC 9113 §6.5.2).
const MOST_STREAMS: ng::nghttp2_settings_id = ng::NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS;

/// Frames of streams that are closed, and other oddities, for which nghttp2 ends a session: so many at once, and so many more
/// each second. Its own limits, 1000 and 33, are met by whoever lets go of a few bodies on a fast line.
const ODDITIES: (u64, u64) = (1 << 20, 1 << 16);

/// Leaves it to libcurl and to us whether a message is complete. To nghttp2 one body that is shorter or longer than its head says
/// ends the connection, with all the bodies that are well; and libcurl then learns nothing of it until a timer runs out.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_option_new(option: *mut *mut ng::nghttp2_option) -> c_int {
    // SAFETY: the caller's argument, unchanged.
    let result = unsafe { __real_nghttp2_option_new(option) };
    if result == 0 && with(|_| ()).is_some() {
        // SAFETY: on success `option` points to a new object.
        unsafe {
            ng::nghttp2_option_set_no_http_messaging(*option, 1);
            ng::nghttp2_option_set_glitch_rate_limit(*option, ODDITIES.0, ODDITIES.1);
        }
    }
    result
}

/// Puts our send callback before libcurl's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_callbacks_set_send_callback(
    callbacks: *mut ng::nghttp2_session_callbacks,
    send: Option<SendCallback>,
) {
    let ours = with(|wire| wire.callbacks.send = send).map(|()| send_frame as SendCallback);
    // SAFETY: the caller's arguments; our callback has the same contract.
    unsafe { __real_nghttp2_session_callbacks_set_send_callback(callbacks, ours.or(send)) }
}

/// Sends one frame; HEADERS become the browser's, and are followed by the WINDOW_UPDATE that it may send behind them.
unsafe extern "C" fn send_frame(
    session: *mut ng::nghttp2_session,
    bytes: *const u8,
    length: usize,
    flags: c_int,
    user: *mut c_void,
) -> isize {
    let Some(Some(send)) = with(|wire| wire.callbacks.send) else {
        return ng::NGHTTP2_ERR_CALLBACK_FAILURE as isize;
    };
    // SAFETY: nghttp2 passes `length` readable bytes.
    let frame = unsafe { slice::from_raw_parts(bytes, length) };
    with(|wire| wire.sends(session as usize, frame));
    if with(|wire| wire.session(session as usize).is_farewell(frame)) == Some(true) {
        return isize::try_from(length).unwrap_or(isize::MAX);
    }
    // SAFETY: `session` is alive during its own callback, and looking up a stream changes nothing.
    let is_open =
        |stream: i32| unsafe { !ng::nghttp2_session_find_stream(session, stream).is_null() };
    let ours = with(|wire| wire.session(session as usize).replace(frame, is_open)).flatten();
    let Some(mut ours) = ours else {
        // SAFETY: nghttp2's arguments, unchanged.
        let sent = unsafe { send(session, bytes, length, flags, user) };
        with(|wire| wire.session(session as usize).passed(sent, length));
        return sent;
    };
    let rest = ours.rest();
    // SAFETY: as above, with a buffer of ours that lives until the call returns; libcurl copies it.
    let sent = unsafe { send(session, rest.as_ptr(), rest.len(), flags, user) };
    if !usize::try_from(sent).is_ok_and(|sent| ours.passed(sent)) {
        with(|wire| wire.session(session as usize).keep(ours));
        // nghttp2 must offer the frame again, so a part of ours counts as nothing of its own.
        return sent.min(ng::NGHTTP2_ERR_WOULDBLOCK as isize);
    }
    let increment = with(|wire| {
        wire.session(session as usize).finish(ours.stream);
        wire.stream_window_update()
    });
    if let Some(increment @ 1..) = increment {
        // SAFETY: the session is alive, and submitting from a callback is allowed; nghttp2 has opened the stream.
        unsafe { windows::submit(session, ours.stream, increment) };
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// Forgets a session whose address may come again.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_del(session: *mut ng::nghttp2_session) {
    with(|wire| wire.close(session as usize));
    // SAFETY: the caller's argument, unchanged.
    unsafe { __real_nghttp2_session_del(session) }
}

/// How many streams at once the peer takes.
///
/// # Safety
/// `session` must be alive.
pub(super) unsafe fn most_streams(session: *mut ng::nghttp2_session) -> u32 {
    // SAFETY: as the caller vouches; the function only reads.
    unsafe { __real_nghttp2_session_get_remote_settings(session, MOST_STREAMS) }
}

/// Keeps from libcurl how many streams the peer takes, where there is to be one connection: for a request too many it would
/// open another, which no browser does, and which can't be seen to beforehand where the peer lowers the number on the way.
/// nghttp2 lets such a request wait.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_session_get_remote_settings(
    session: *mut ng::nghttp2_session,
    id: ng::nghttp2_settings_id,
) -> u32 {
    if id == MOST_STREAMS && with(|wire| wire.is_single()) == Some(true) {
        return u32::MAX;
    }
    // SAFETY: the caller's arguments, unchanged.
    unsafe { __real_nghttp2_session_get_remote_settings(session, id) }
}

/// Sends the browser's header list in place of libcurl's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_submit_request(
    session: *mut ng::nghttp2_session,
    priority: *const ng::nghttp2_priority_spec,
    headers: *const ng::nghttp2_nv,
    count: usize,
    data: *const ng::nghttp2_data_provider,
    easy: *mut c_void,
) -> i32 {
    // SAFETY: the caller passes `count` name-value pairs, each with readable name and value.
    let given: Vec<_> = unsafe { slice::from_raw_parts(headers, count) }
        .iter()
        .map(|pair| unsafe {
            (
                slice::from_raw_parts(pair.name, pair.namelen),
                slice::from_raw_parts(pair.value, pair.valuelen),
            )
        })
        .collect();
    let Some(Some((pseudo, requested))) = with(|wire| wire.header_list(easy as usize, &given))
    else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe {
            __real_nghttp2_submit_request(session, priority, headers, count, data, easy)
        };
    };
    let fields = requested.headers.iter();
    let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let pairs: Vec<ng::nghttp2_nv> = pseudo
        .into_iter()
        .chain(fields)
        .map(|(name, value)| ng::nghttp2_nv {
            name: name.as_ptr().cast_mut(),
            value: value.as_ptr().cast_mut(),
            namelen: name.len(),
            valuelen: value.len(),
            flags: 0,
        })
        .collect();
    // SAFETY: `pairs` points into the caller's list and into `requested`, which outlive the call; without flags nghttp2 copies and writes nothing.
    let stream = unsafe {
        __real_nghttp2_submit_request(session, priority, pairs.as_ptr(), pairs.len(), data, easy)
    };
    with(|wire| wire.submitted(session as usize, stream, easy as usize));
    stream
}

/// Browsers cancel with CANCEL, libcurl with `STREAM_CLOSED`.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_submit_rst_stream(
    session: *mut ng::nghttp2_session,
    flags: u8,
    stream: i32,
    code: u32,
) -> c_int {
    let code = with(|wire| wire.reset_code(code)).unwrap_or(code);
    // SAFETY: the caller's arguments, with another valid error code.
    unsafe { __real_nghttp2_submit_rst_stream(session, flags, stream, code) }
}

/// Opens the connection with the browser's SETTINGS; later changes of libcurl's are dropped.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_nghttp2_submit_settings(
    session: *mut ng::nghttp2_session,
    flags: u8,
    entries: *const ng::nghttp2_settings_entry,
    count: usize,
) -> c_int {
    let Some((settings, first_stream)) =
        with(|wire| (count > 1).then(|| wire.open(session as usize)).unzip())
    else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { __real_nghttp2_submit_settings(session, flags, entries, count) };
    };
    let (Some(settings), Some(first_stream)) = (settings, first_stream) else {
        return 0;
    };
    let entries: Vec<_> = settings
        .iter()
        .map(|&(id, value)| ng::nghttp2_settings_entry {
            settings_id: id.into(),
            value,
        })
        .collect();
    // SAFETY: a new client session without streams, for which any odd id is allowed.
    unsafe { ng::nghttp2_session_set_next_stream_id(session, first_stream) };
    // SAFETY: the caller's session; `entries` outlives the call, which copies it.
    unsafe { __real_nghttp2_submit_settings(session, flags, entries.as_ptr(), entries.len()) }
}
