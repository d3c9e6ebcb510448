//! The C functions through which the linker leads libcurl's calls to BoringSSL and [`nghttp2`] (`--wrap`, see `build.rs`).
//!
//! Each `__wrap_X` stands in for `X` and reaches the original as `__real_X`. On a thread that wears a fingerprint the
//! call is changed as [`super::http2`] or [`tls`] say; on any other thread it passes through untouched. The state is
//! thread-local because nghttp2 and libcurl call back without a place for a pointer of ours, and because one driver
//! thread wears exactly one fingerprint.
//!
//! Nothing is decided here; these functions convert pointers and hold the borrow rules: the thread's state is never
//! borrowed while a function of C runs that could call back.

mod ends;
mod nghttp2;
mod reads;
mod windows;

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;
use std::slice;
use std::sync::Arc;

use boring_sys as ffi;

use super::http2::{Answer, Requested, Wire};
use super::tls;
use crate::fingerprint::Fingerprint;
use crate::retry::Fault;
pub(super) use reads::{is_more_behind, speaks_http2};

thread_local! {
    /// What this thread wears; `None` on every thread but a driver.
    static WORN: RefCell<Option<Wire>> = const { RefCell::new(None) };
}

/// Takes the fingerprint off when the driver ends.
pub(super) struct Worn(());

impl Drop for Worn {
    fn drop(&mut self) {
        WORN.with_borrow_mut(|worn| *worn = None);
    }
}

/// Makes every connection of this thread show `fingerprint` until the guard is dropped. `is_single`: one connection over HTTP/2
/// is to serve all requests to a host.
pub(super) fn wear(fingerprint: &Arc<Fingerprint>, is_single: bool) -> Worn {
    WORN.with_borrow_mut(|worn| *worn = Some(Wire::new(fingerprint.clone(), is_single)));
    Worn(())
}

/// Announces what an easy handle will ask if its connection turns out to be HTTP/2.
pub(super) fn expect(easy: *mut c_void, request: Rc<Requested>) {
    with(|wire| wire.expect(easy as usize, request));
}

/// Forgets an easy handle, whose address may come again. What it held of its connection's window is given back: a window
/// that shrank with every cancelled transfer would end up closed.
pub(super) fn forget(easy: *mut c_void) {
    if let Some(Some((session, stream, held))) = with(|wire| wire.forget(easy as usize)) {
        // SAFETY: sessions are forgotten before they are freed, so this one is alive; `held` bytes were received on it
        // and not consumed. The stream may be closed, which nghttp2 allows for.
        unsafe { windows::consume(session as *mut _, stream, held) };
    }
}

/// Why the server did not begin what an easy handle asked, if it said that it did not.
pub(super) fn unserved(easy: usize) -> Option<Fault> {
    with(|wire| wire.unserved(easy)).flatten()
}

/// Easy handles whose transfers are over, though libcurl would not look before something comes.
pub(super) fn orphans() -> Vec<usize> {
    with(Wire::orphans).unwrap_or_default()
}

/// How many streams at once the peer of an easy handle's session takes; `None` over HTTP/1.1.
pub(super) fn most_streams(easy: usize) -> Option<u32> {
    let session = with(|wire| wire.session_of(easy)).flatten()?;
    // SAFETY: sessions are forgotten before they are freed, so this one is alive.
    Some(unsafe { nghttp2::most_streams(session as *mut _) })
}

/// What has come of an easy handle's answer over HTTP/2.
pub(super) fn answer(easy: usize) -> Answer {
    with(|wire| wire.answer(easy)).unwrap_or_default()
}

/// Runs `act` on the thread's state, if it wears a fingerprint.
fn with<T>(act: impl FnOnce(&mut Wire) -> T) -> Option<T> {
    WORN.with_borrow_mut(|worn| worn.as_mut().map(act))
}

unsafe extern "C" {
    fn __real_SSL_new(context: *mut ffi::SSL_CTX) -> *mut ffi::SSL;
    fn __real_SSL_connect(ssl: *mut ffi::SSL) -> c_int;
    fn __real_SSL_write(ssl: *mut ffi::SSL, bytes: *const c_void, length: c_int) -> c_int;
}

/// Gives a new connection what BoringSSL keeps per connection.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_SSL_new(context: *mut ffi::SSL_CTX) -> *mut ffi::SSL {
    // SAFETY: the caller's arguments, unchanged.
    let ssl = unsafe { __real_SSL_new(context) };
    if !ssl.is_null()
        && let Some(fingerprint) = with(|wire| wire.fingerprint().clone())
    {
        // SAFETY: `ssl` is new and not shared with anybody yet.
        unsafe { tls::dress_connection(ssl, &fingerprint) };
    }
    ssl
}

/// Lets a connection resume what the browser would, before its first byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_SSL_connect(ssl: *mut ffi::SSL) -> c_int {
    if with(|_| ()).is_some() {
        // SAFETY: the caller's connection, which it does not use during the call.
        unsafe { tls::sessions::resume(ssl) };
    }
    // SAFETY: the caller's argument, unchanged.
    unsafe { __real_SSL_connect(ssl) }
}

/// Makes the first write of an HTTP/2 connection end before HEADERS, so that these get a TLS record of their own.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_SSL_write(
    ssl: *mut ffi::SSL,
    bytes: *const c_void,
    length: c_int,
) -> c_int {
    let first = with(|wire| {
        let length = usize::try_from(length).ok()?;
        // SAFETY: the caller passes `length` readable bytes.
        let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length) };
        c_int::try_from(wire.first_record(bytes)?).ok()
    });
    // SAFETY: the caller's arguments, with a length that is not larger.
    unsafe { __real_SSL_write(ssl, bytes, first.flatten().unwrap_or(length)) }
}
