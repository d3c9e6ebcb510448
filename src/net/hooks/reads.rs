//! The hooks around reading that show what comes behind the declared end of an HTTP/1.1 body.
//!
//! libcurl tells of no such byte: it reads up to the declared end, and drops what came in the same read. The bytes belong to
//! nobody, but a server that cannot count is worth a word. So the last read of the thread is kept in mind: the end of a
//! body lies in it, since libcurl hands bytes on where they were read, and whatever is behind that is too much. Where a read
//! was for just what is left, one look ahead shows whether more has come; what comes later still is nobody's business.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use boring_sys as ffi;

use super::with;

unsafe extern "C" {
    fn __real_SSL_read(ssl: *mut ffi::SSL, bytes: *mut c_void, length: c_int) -> c_int;
    fn __real_recv(socket: c_int, bytes: *mut c_void, length: usize, flags: c_int) -> isize;
}

/// Flags of `recv(2)`: leave the bytes where they are, and do not wait for any.
const LOOK: c_int = 0x02 | 0x40;

const HTTP2: &[u8] = b"h2";

thread_local! {
    /// What a driver thread read last.
    static LAST: Cell<Option<Read>> = const { Cell::new(None) };
}

/// A read that brought something.
#[derive(Clone, Copy)]
struct Read {
    /// Addresses of its first byte and behind its last; only compared.
    from: usize,
    to: usize,
    /// Whether more was there.
    more: More,
}

/// What is known of bytes behind a read.
#[derive(Clone, Copy)]
enum More {
    /// That there are some, or that there are none.
    Seen(bool),
    /// Nothing, but this socket tells.
    In(c_int),
}

/// Whether bytes have come behind `end`, where the last read is over that libcurl has handed on.
pub(in crate::net) fn is_more_behind(end: *const u8) -> bool {
    let end = end as usize;
    match LAST.get() {
        Some(read) if read.from < end && end < read.to => true,
        Some(read) if read.to == end => match read.more {
            More::Seen(more) => more,
            More::In(socket) => {
                let mut byte = 0_u8;
                // SAFETY: room for one byte; of a socket that was closed meanwhile the call says so.
                unsafe { __real_recv(socket, ptr::from_mut(&mut byte).cast(), 1, LOOK) > 0 }
            }
        },
        // Bytes that had to wait are handed on from elsewhere.
        Some(_) | None => false,
    }
}

/// Reads, and looks ahead if that was all that was asked for: the end of a body. HTTP/2 has frames and needs no such look.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_SSL_read(
    ssl: *mut ffi::SSL,
    bytes: *mut c_void,
    length: c_int,
) -> c_int {
    // SAFETY: the caller's arguments, unchanged.
    let read = unsafe { __real_SSL_read(ssl, bytes, length) };
    if read > 0 && with(|_| ()).is_some() {
        // SAFETY: the caller's connection, which it does not use during the call.
        let more = read == length && unsafe { !speaks_http2(ssl) && has_more(ssl) };
        note(bytes, read as usize, More::Seen(more));
    }
    read
}

/// Notes what comes without TLS. With it, the reads that BoringSSL makes here are of no interest.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_recv(
    socket: c_int,
    bytes: *mut c_void,
    length: usize,
    flags: c_int,
) -> isize {
    // SAFETY: the caller's arguments, unchanged.
    let read = unsafe { __real_recv(socket, bytes, length, flags) };
    if let Ok(count @ 1..) = usize::try_from(read)
        && with(|_| ()).is_some()
    {
        note(bytes, count, More::In(socket));
    }
    read
}

fn note(bytes: *const c_void, count: usize, more: More) {
    let from = bytes as usize;
    LAST.set(Some(Read {
        from,
        to: from + count,
        more,
    }));
}

/// Whether the server has chosen HTTP/2 (ALPN, RFC 7301).
///
/// # Safety
/// `ssl` must be alive.
pub(in crate::net) unsafe fn speaks_http2(ssl: *const ffi::SSL) -> bool {
    let (mut name, mut length) = (ptr::null(), 0);
    // SAFETY: the caller vouches for `ssl`; what is pointed to lives as long as that.
    unsafe {
        ffi::SSL_get0_alpn_selected(ssl, &raw mut name, &raw mut length);
        !name.is_null() && std::slice::from_raw_parts(name, length as usize) == HTTP2
    }
}

/// # Safety
/// `ssl` must be alive, and not be used by anybody else during the call.
unsafe fn has_more(ssl: *mut ffi::SSL) -> bool {
    let mut byte = 0_u8;
    // SAFETY: the caller vouches for `ssl`; there is room for one byte, which stays to be read.
    unsafe { ffi::SSL_peek(ssl, ptr::from_mut(&mut byte).cast(), 1) > 0 }
}
