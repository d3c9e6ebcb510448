//! A handshake in memory, and a reader for the ClientHellos that it saw.

use std::ffi::CStr;
use std::ptr;

use boring_sys as ffi;

/// One ClientHello. GREASE values are as they were sent.
#[derive(Debug)]
pub struct Hello {
    /// Bytes of the handshake message, header included.
    pub len: usize,
    pub ciphers: Vec<u16>,
    pub extensions: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    pub fn body(&self, kind: u16) -> Option<&[u8]> {
        self.extensions
            .iter()
            .find(|(k, _)| *k == kind)
            .map(|(_, body)| body.as_slice())
    }

    pub fn types(&self) -> Vec<u16> {
        self.extensions.iter().map(|(kind, _)| *kind).collect()
    }

    /// The two-byte values of extension `kind` behind a length of `prefix` bytes.
    pub fn list(&self, kind: u16, prefix: usize) -> Vec<u16> {
        u16s(&self.body(kind).expect("extension sent")[prefix..])
    }

    /// Groups and keys of key_share.
    pub fn shares(&self) -> Vec<(u16, Vec<u8>)> {
        let mut reader = &self.body(51).expect("key_share sent")[2..];
        let mut shares = Vec::new();
        while !reader.is_empty() {
            let group = u16(&mut reader);
            shares.push((group, sized(&mut reader, 2).to_vec()));
        }
        shares
    }
}

/// Every ClientHello among the client's records.
pub fn hellos(mut records: &[u8]) -> Vec<Hello> {
    let mut found = Vec::new();
    while !records.is_empty() {
        let kind = records[0];
        records = &records[3..];
        let record = sized(&mut records, 2);
        if kind == 22 && record[0] == 1 {
            found.push(hello(record));
        }
    }
    found
}

fn hello(message: &[u8]) -> Hello {
    let mut rest = &message[4 + 2 + 32..];
    sized(&mut rest, 1);
    let ciphers = u16s(sized(&mut rest, 2));
    sized(&mut rest, 1);
    let mut block = sized(&mut rest, 2);
    assert!(rest.is_empty());
    let mut extensions = Vec::new();
    while !block.is_empty() {
        let kind = u16(&mut block);
        extensions.push((kind, sized(&mut block, 2).to_vec()));
    }
    Hello {
        len: message.len(),
        ciphers,
        extensions,
    }
}

fn u16(bytes: &mut &[u8]) -> u16 {
    let (head, tail) = bytes.split_at(2);
    *bytes = tail;
    u16::from_be_bytes([head[0], head[1]])
}

fn u16s(bytes: &[u8]) -> Vec<u16> {
    bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect()
}

fn sized<'a>(bytes: &mut &'a [u8], prefix: usize) -> &'a [u8] {
    let len = bytes[..prefix]
        .iter()
        .fold(0, |len, byte| len << 8 | usize::from(*byte));
    let (head, tail) = bytes[prefix..].split_at(len);
    *bytes = tail;
    head
}

/// Runs the handshake of `client` with `server` to its end. Returns what the client sent, and the first error, if any.
pub fn handshake(client: *mut ffi::SSL, server: *mut ffi::SSL) -> (Vec<u8>, Result<(), String>) {
    let mut sent = Vec::new();
    // SAFETY: both are live and of this thread; the BIOs pass into their ownership.
    unsafe {
        for ssl in [client, server] {
            ffi::SSL_set_bio(
                ssl,
                ffi::BIO_new(ffi::BIO_s_mem()),
                ffi::BIO_new(ffi::BIO_s_mem()),
            );
        }
        ffi::SSL_set_connect_state(client);
        ffi::SSL_set_accept_state(server);
        for _ in 0..10 {
            let done = step(client).and_then(|client| Ok(client & step(server)?));
            sent.extend(carry(client, server));
            carry(server, client);
            match done {
                Ok(true) => {
                    // Tickets leave the server with its first data.
                    ffi::SSL_write(server, b"x".as_ptr().cast(), 1);
                    carry(server, client);
                    ffi::SSL_read(client, [0u8; 1].as_mut_ptr().cast(), 1);
                    return (sent, Ok(()));
                }
                Ok(false) => {}
                Err(error) => return (sent, Err(error)),
            }
        }
    }
    (sent, Err("no end".into()))
}

unsafe fn step(ssl: *mut ffi::SSL) -> Result<bool, String> {
    ffi::ERR_clear_error();
    let result = ffi::SSL_do_handshake(ssl);
    if result == 1 {
        return Ok(true);
    }
    if ffi::SSL_get_error(ssl, result) == ffi::SSL_ERROR_WANT_READ {
        return Ok(false);
    }
    let mut text = [0; 200];
    ffi::ERR_error_string_n(ffi::ERR_get_error(), text.as_mut_ptr(), text.len());
    Err(CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())
}

/// Moves what `from` wrote to where `to` reads.
unsafe fn carry(from: *mut ffi::SSL, to: *mut ffi::SSL) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 16];
    let len = ffi::BIO_read(
        ffi::SSL_get_wbio(from),
        bytes.as_mut_ptr().cast(),
        bytes.len() as _,
    );
    bytes.truncate(usize::try_from(len).unwrap_or(0));
    ffi::BIO_write(
        ffi::SSL_get_rbio(to),
        bytes.as_ptr().cast(),
        bytes.len() as _,
    );
    bytes
}

/// A server with a fresh self-signed certificate that takes h2, up to `version`, with `groups` (empty: BoringSSL's).
pub fn server(version: u16, groups: &[u16]) -> *mut ffi::SSL_CTX {
    // SAFETY: everything is made here; the context takes references to key and certificate.
    unsafe {
        let key = ffi::EVP_PKEY_new();
        let curve = ffi::EC_KEY_new_by_curve_name(ffi::NID_X9_62_prime256v1);
        assert_eq!(ffi::EC_KEY_generate_key(curve), 1);
        assert_eq!(ffi::EVP_PKEY_assign_EC_KEY(key, curve), 1);
        let cert = ffi::X509_new();
        ffi::X509_gmtime_adj(ffi::X509_getm_notBefore(cert), 0);
        ffi::X509_gmtime_adj(ffi::X509_getm_notAfter(cert), 3600);
        assert_eq!(ffi::X509_set_pubkey(cert, key), 1);
        assert!(ffi::X509_sign(cert, key, ffi::EVP_sha256()) > 0);

        let ctx = ffi::SSL_CTX_new(ffi::TLS_method());
        assert_eq!(ffi::SSL_CTX_use_certificate(ctx, cert), 1);
        assert_eq!(ffi::SSL_CTX_use_PrivateKey(ctx, key), 1);
        assert_eq!(ffi::SSL_CTX_set_max_proto_version(ctx, version), 1);
        if !groups.is_empty() {
            assert_eq!(
                ffi::SSL_CTX_set1_group_ids(ctx, groups.as_ptr(), groups.len()),
                1
            );
        }
        ffi::SSL_CTX_set_alpn_select_cb(ctx, Some(select_h2), ptr::null_mut());
        ctx
    }
}

unsafe extern "C" fn select_h2(
    _: *mut ffi::SSL,
    out: *mut *const u8,
    out_len: *mut u8,
    _: *const u8,
    _: std::os::raw::c_uint,
    _: *mut std::ffi::c_void,
) -> std::os::raw::c_int {
    *out = b"h2".as_ptr();
    *out_len = 2;
    ffi::SSL_TLSEXT_ERR_OK
}
