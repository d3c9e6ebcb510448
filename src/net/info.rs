//! What libcurl knows of a transfer and the bindings do not ask for (`curl_easy_getinfo`).
//!
//! Only the driver thread asks, by the address of an easy handle of its own: a transfer that is called back has no other
//! hold of itself. Nothing is concluded here; that is for whoever asks.

use std::ffi::{CStr, c_char, c_int, c_long};
use std::net::IpAddr;
use std::ptr;

use boring_sys as ffi;
use curl_sys::{
    CURLE_OK, CURLINFO, CURLINFO_LOCAL_IP, CURLINFO_NUM_CONNECTS, CURLINFO_PRIMARY_IP,
    curl_easy_getinfo,
};

use super::hooks;

/// What the bindings lack of `curl/curl.h`: `CURLINFO_CONN_ID`, of the kind `CURLINFO_OFF_T`.
const CURLINFO_CONN_ID: CURLINFO = 0x60_0000 + 64;

/// `CURLINFO_TLS_SSL_PTR`, of the kind `CURLINFO_PTR`, and what it leads to.
const CURLINFO_TLS_SSL_PTR: CURLINFO = 0x40_0000 + 45;

/// `struct curl_tlssessioninfo`.
#[repr(C)]
struct TlsSession {
    backend: c_int,
    /// `NULL` where there is no TLS.
    ssl: *const ffi::SSL,
}

/// The number of an easy handle's connection, which no other of this driver has (`CURLINFO_CONN_ID`).
pub(super) fn connection(easy: usize) -> Option<u64> {
    let mut number: i64 = -1;
    // SAFETY: a transfer asks for its own handle, which is alive while it is called back; this libcurl knows the question, and
    // answers it with a `curl_off_t`, which is 64 bits wide.
    let code = unsafe { curl_easy_getinfo(easy as *mut _, CURLINFO_CONN_ID, &raw mut number) };
    if code != CURLE_OK {
        return None;
    }
    u64::try_from(number).ok()
}

/// The address at the other end of an easy handle's connection (`CURLINFO_PRIMARY_IP`).
pub(super) fn node(easy: usize) -> Option<IpAddr> {
    address(easy, CURLINFO_PRIMARY_IP)
}

/// The address at this end of it (`CURLINFO_LOCAL_IP`).
pub(super) fn local(easy: usize) -> Option<IpAddr> {
    address(easy, CURLINFO_LOCAL_IP)
}

fn address(easy: usize, which: CURLINFO) -> Option<IpAddr> {
    let mut text: *const c_char = ptr::null();
    // SAFETY: a transfer asks for its own handle, which is alive while it is called back, and these pieces of information are
    // strings.
    let code = unsafe { curl_easy_getinfo(easy as *mut _, which, &raw mut text) };
    if code != CURLE_OK || text.is_null() {
        return None;
    }
    // SAFETY: libcurl's strings end with a zero, and this one lives until the handle is used again.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().ok()?.parse().ok()
}

/// Whether the server of an easy handle's connection has chosen HTTP/2 (ALPN, RFC 7301); false without TLS
/// (`CURLINFO_TLS_SSL_PTR`).
pub(super) fn chose_http2(easy: usize) -> bool {
    let mut session: *const TlsSession = ptr::null();
    // SAFETY: a transfer asks for its own handle, which is alive while it is called back, and this piece of information is a
    // pointer.
    let code = unsafe { curl_easy_getinfo(easy as *mut _, CURLINFO_TLS_SSL_PTR, &raw mut session) };
    if code != CURLE_OK {
        return false;
    }
    // SAFETY: libcurl answers with a structure of its own that lives until the handle is used again, or with none.
    let ssl = unsafe { session.as_ref() }.map_or(ptr::null(), |session| session.ssl);
    // SAFETY: its TLS is BoringSSL, whose connection this is, alive as long as libcurl's.
    !ssl.is_null() && unsafe { hooks::speaks_http2(ssl) }
}

/// Whether an easy handle's transfer opened no connection of its own (`CURLINFO_NUM_CONNECTS`).
pub(super) fn is_reused(easy: usize) -> bool {
    let mut opened: c_long = 0;
    // SAFETY: the driver asks for a handle that is its own, and this piece of information is a long.
    let code = unsafe { curl_easy_getinfo(easy as *mut _, CURLINFO_NUM_CONNECTS, &raw mut opened) };
    code == CURLE_OK && opened == 0
}
