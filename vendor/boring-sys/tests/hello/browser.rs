//! Four browsers' ClientHellos, as lists for `SSL_CTX_hello_…`: one of each family of TLS libraries that are imitated.

use boring_sys as ffi;
use ffi::ssl_hello_list_t as list;

/// What a client is told to advertise. Lists hold `SSL_HELLO_GREASE` where the browser has a GREASE value.
#[derive(Clone)]
pub struct Browser {
    pub ciphers: &'static [u16],
    pub sigalgs: &'static [u16],
    pub groups: &'static [u16],
    pub shares: &'static [u16],
    pub versions: &'static [u16],
    pub extensions: &'static [u16],
    /// Extensions given as bytes.
    pub bodies: &'static [(u16, &'static [u8])],
    /// Whether extensions are shuffled.
    pub permuted: bool,
    /// AEADs and payload lengths of GREASE ECH; empty means BoringSSL's choice.
    pub ech: (&'static [u16], &'static [u16]),
    pub habits: u32,
    pub compression: &'static [u16],
}

const G: u16 = ffi::SSL_HELLO_GREASE as u16;
const SIGALGS_CHROME: &[u16] = &[
    0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
];
const SIGALGS_FIREFOX: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
];
const DELEGATED: (u16, &[u8]) = (34, &[0, 8, 4, 3, 5, 3, 6, 3, 2, 3]);
const RECORD_SIZE_LIMIT: (u16, &[u8]) = (28, &[0x40, 1]);

pub fn chrome120() -> Browser {
    Browser {
        ciphers: &[
            G, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ],
        sigalgs: SIGALGS_CHROME,
        groups: &[G, 29, 23, 24],
        shares: &[G, 29],
        versions: &[G, 0x0304, 0x0303],
        extensions: &[
            G, 0, 23, 65281, 10, 11, 35, 16, 5, 13, 18, 51, 45, 43, 27, 17513, 65037, G, 21,
        ],
        bodies: &[],
        permuted: true,
        ech: (&[1], &[144, 176, 208, 240]),
        habits: 0,
        compression: &[2],
    }
}

pub fn firefox144() -> Browser {
    Browser {
        ciphers: &[
            0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009,
            0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ],
        sigalgs: SIGALGS_FIREFOX,
        groups: &[4588, 29, 23, 24, 25, 256, 257],
        shares: &[4588, 29, 23],
        versions: &[0x0304, 0x0303],
        extensions: &[
            0, 23, 65281, 10, 11, 35, 16, 5, 34, 18, 51, 43, 13, 44, 45, 28, 27, 65037,
        ],
        bodies: &[DELEGATED, RECORD_SIZE_LIMIT],
        permuted: false,
        ech: (&[1, 3], &[239]),
        habits: (ffi::SSL_HELLO_SHARED_X25519 | ffi::SSL_HELLO_NO_TICKET_WITH_PSK) as u32,
        compression: &[1, 2, 3],
    }
}

pub fn safari18() -> Browser {
    Browser {
        ciphers: &[
            G, 0x1301, 0x1302, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0xc00a,
            0xc009, 0xc014, 0xc013, 0x009d, 0x009c, 0x0035, 0x002f, 0xc008, 0xc012, 0x000a,
        ],
        sigalgs: &[
            0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0805, 0x0501, 0x0806, 0x0601, 0x0201,
        ],
        groups: &[G, 29, 23, 24, 25],
        shares: &[G, 29],
        versions: &[G, 0x0304, 0x0303, 0x0302, 0x0301],
        extensions: &[
            G, 0, 23, 65281, 10, 11, 16, 5, 13, 18, 51, 45, 43, 27, G, 21,
        ],
        bodies: &[],
        permuted: false,
        ech: (&[], &[]),
        habits: 0,
        compression: &[1],
    }
}

pub fn tor14() -> Browser {
    Browser {
        ciphers: &[
            0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc013, 0xc014,
            0x009c, 0x009d, 0x002f, 0x0035,
        ],
        groups: &[29, 23, 24, 25, 256, 257],
        shares: &[29, 23],
        extensions: &[0, 23, 65281, 10, 11, 16, 5, 34, 51, 43, 13, 28, 65037],
        compression: &[],
        ..firefox144()
    }
}

pub fn all() -> [(&'static str, Browser); 4] {
    [
        ("chrome120", chrome120()),
        ("firefox144", firefox144()),
        ("safari18", safari18()),
        ("tor14", tor14()),
    ]
}

impl Browser {
    /// A context that makes clients look so.
    pub fn context(&self) -> *mut ffi::SSL_CTX {
        // SAFETY: plain calls on a context that nobody else has yet; every slice outlives its call, which copies it.
        unsafe {
            let ctx = ffi::SSL_CTX_new(ffi::TLS_method());
            for (name, values) in [
                (list::ssl_hello_ciphers, self.ciphers),
                (list::ssl_hello_sigalgs, self.sigalgs),
                (list::ssl_hello_groups, self.groups),
                (list::ssl_hello_key_shares, self.shares),
                (list::ssl_hello_versions, self.versions),
                (list::ssl_hello_extensions, self.extensions),
                (list::ssl_hello_ech_aeads, self.ech.0),
                (list::ssl_hello_ech_lengths, self.ech.1),
            ] {
                assert_eq!(
                    ffi::SSL_CTX_hello_set1_list(ctx, name, values.as_ptr(), values.len()),
                    1
                );
            }
            for (kind, body) in self.bodies {
                assert_eq!(
                    ffi::SSL_CTX_hello_set1_extension(ctx, *kind, body.as_ptr(), body.len()),
                    1
                );
            }
            ffi::SSL_CTX_hello_set_habits(ctx, self.habits);
            ffi::SSL_CTX_set_permute_extensions(ctx, self.permuted.into());
            for algorithm in self.compression {
                assert_eq!(
                    ffi::SSL_CTX_add_cert_compression_alg(ctx, *algorithm, None, Some(never)),
                    1
                );
            }
            ffi::SSL_CTX_set_min_proto_version(ctx, 0x0303);
            ffi::SSL_CTX_enable_ocsp_stapling(ctx);
            ffi::SSL_CTX_enable_signed_cert_timestamps(ctx);
            let alpn = b"\x02h2\x08http/1.1";
            assert_eq!(
                ffi::SSL_CTX_set_alpn_protos(ctx, alpn.as_ptr(), alpn.len() as _),
                0
            );
            ctx
        }
    }

    /// A client of `ctx` with what can only be set per connection.
    pub fn client(&self, ctx: *mut ffi::SSL_CTX) -> *mut ffi::SSL {
        // SAFETY: `ctx` is a live context; the strings are copied.
        unsafe {
            let ssl = ffi::SSL_new(ctx);
            assert_eq!(ffi::SSL_set_tlsext_host_name(ssl, c"localhost".as_ptr()), 1);
            if self.extensions.contains(&65037) {
                ffi::SSL_set_enable_ech_grease(ssl, 1);
            }
            if self.extensions.contains(&17513) {
                ffi::SSL_set_alps_use_new_codepoint(ssl, 0);
                assert_eq!(
                    ffi::SSL_add_application_settings(ssl, b"h2".as_ptr(), 2, std::ptr::null(), 0),
                    1
                );
            }
            ssl
        }
    }
}

/// The test server never compresses.
unsafe extern "C" fn never(
    _: *mut ffi::SSL,
    _: *mut *mut ffi::CRYPTO_BUFFER,
    _: usize,
    _: *const u8,
    _: usize,
) -> std::os::raw::c_int {
    0
}
