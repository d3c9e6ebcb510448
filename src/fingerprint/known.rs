//! Tests only: the embedded files against the hashes by which the same browsers are known in public.
//!
//! JA3N, JA4 and Akamai's hash are computed from a file as if its hello and its opening had been seen. They are lossy, so
//! this holds the lists against slips of the pen; what really goes over the wire is compared elsewhere.

use super::ja;
use super::names::{ALPS, ALPS_OLD, ECH, GREASE};
use super::schema::{Fingerprint, Tls};
use super::wire::extension::{self, Body, Extension};
use super::wire::frames::{Frame, Payload};
use super::wire::hello::ClientHello;
use super::wire::hpack::{Field, Form};

/// Who is known by which MD5 of JA3N.
const JA3N: [(&str, &[&str]); 11] = [
    (
        "aa56c057ad164ec4fdcb7a5a283be9fc",
        &[
            "chrome99",
            "chrome100",
            "chrome101",
            "chrome104",
            "chrome107",
            "chrome110",
            "chrome116",
            "chrome99_android",
            "edge99",
            "edge101",
        ],
    ),
    (
        "473f0e7c0b6a0f7b049072f4e683068b",
        &["chrome119", "chrome120", "chrome123"],
    ),
    ("4c9ce26028c11d7544da00d3f7e4f45c", &["chrome124"]),
    ("dee19b855b658c6aa0f575eda2525e19", &["chrome131"]),
    (
        "8e19337e7524d2573be54efb2b0784c9",
        &["chrome133a", "chrome145", "chrome146", "chrome150"],
    ),
    (
        "bd4930bd9b000ee684830e44bab76fdf",
        &["chromium156", "chrome156"],
    ),
    ("90634f51dcf65fc506946108904d6913", &["firefox133"]),
    (
        "e4147a4860c1f347354f0a84d8787c02",
        &["firefox135", "firefox144", "firefox147"],
    ),
    ("8099457c290ccfe8c6d958826c26b023", &["firefox153"]),
    ("4e732e0294d23442159b756947e9daba", &["safari153"]),
    (
        "44f7ed5185d22c92b96da72dbe68d307",
        &[
            "safari155",
            "safari170",
            "safari172_ios",
            "safari180",
            "safari184_ios",
        ],
    ),
];

/// Who is known by which JA4, apart from padding where that comes and goes.
const JA4: [(&str, &[&str]); 9] = [
    (
        "t13d1516h2_8daaf6152771_e5627efa2ab1",
        &["chrome99", "chrome110", "chrome116", "edge101"],
    ),
    (
        "t13d1516h2_8daaf6152771_02713d6af862",
        &["chrome119", "chrome120", "chrome131"],
    ),
    (
        "t13d1516h2_8daaf6152771_d8a2da3f94cd",
        &[
            "chrome133a",
            "chrome136",
            "chrome142",
            "chrome145",
            "chrome146",
        ],
    ),
    ("t13d1516h2_8daaf6152771_806a8c22fdea", &["chrome150"]),
    (
        "t13d1517h2_8daaf6152771_cb7bf5808d99",
        &["chromium156", "chrome156"],
    ),
    (
        "t13d1717h2_5b57614c22b0_3cbfd9057e0d",
        &["firefox135", "firefox144", "firefox147"],
    ),
    ("t13d1617h2_86a278354501_3cbfd9057e0d", &["firefox153"]),
    ("t13d2613h2_2802a3db6c62_845d286b0d67", &["safari153"]),
    (
        "t13d2014h2_a09f3c656075_14788d8d241b",
        &["safari155", "safari170"],
    ),
];

/// Who is known by which MD5 of Akamai's text.
const AKAMAI: [(&str, &[&str]); 8] = [
    (
        "4f04edce68a7ecbe689edce7bf5f23f3",
        &[
            "chrome99",
            "chrome100",
            "chrome101",
            "chrome104",
            "chrome99_android",
            "edge99",
            "edge101",
        ],
    ),
    (
        "a345a694846ad9f6c97bcc3c75adbe26",
        &["chrome107", "chrome110", "chrome116"],
    ),
    (
        "52d84b11737d980aef856699f885ca86",
        &[
            "chrome119",
            "chrome120",
            "chrome123",
            "chrome124",
            "chrome131_android",
            "chrome150",
            "chromium156",
        ],
    ),
    (
        "6ea73faa8fc5aac76bded7bd238f6433",
        &["firefox133", "firefox144", "firefox153", "tor145"],
    ),
    (
        "dda308d35f4e5db7b52a61720ca1b122",
        &["safari153", "safari155"],
    ),
    ("959a7e813b79b909a1a0b00a38e8bba3", &["safari170"]),
    ("ad8424af1cc590e09f7b0c499bf7fcdb", &["safari172_ios"]),
    (
        "d4a2dcbfde511b5040ed5a5190a8d78b",
        &["safari180", "safari180_ios"],
    ),
];

#[test]
fn files_have_the_hashes_that_their_browsers_are_known_by() {
    compare(&JA3N, |fingerprint| {
        ja::md5_hex(&ja::ja3n(&hello(&fingerprint.tls)))
    });
    compare(&JA4, |fingerprint| ja::ja4(&hello(&fingerprint.tls)));
    compare(&AKAMAI, |fingerprint| {
        let (frames, request) = opening(fingerprint);
        ja::md5_hex(&ja::akamai(&frames, &request))
    });
}

#[test]
fn a_fixed_order_of_extensions_is_the_known_one() {
    for (name, ja3) in [
        ("chrome99", "cd08e31494f9531f560d64c695473da9"),
        ("firefox133", "2d692a4485ca2f5f2b10ecb2d2909ad3"),
        ("firefox144", "6f7889b9fb1a62a9577e685c1fcfa919"),
        ("firefox153", "6447ab086255d194909d4013b1a89e87"),
        ("safari153", "656b9a2f4de6ed4909e157482860ab3d"),
        ("safari172_ios", "773906b0efdefa24a7f2b8eb6985bf37"),
    ] {
        let tls = super::find(name).unwrap().tls;
        assert!(!tls.permute_extensions, "{name}");
        assert_eq!(ja::md5_hex(&ja::ja3(&hello(&tls))), ja3, "{name}");
    }
}

fn compare(known: &[(&str, &[&str])], hash: impl Fn(&Fingerprint) -> String) {
    for (expected, names) in known {
        for name in *names {
            let fingerprint = super::find(name).unwrap();
            assert_eq!(hash(&fingerprint), *expected, "{name}");
        }
    }
}

/// The hello of a file. A fake ECH or post-quantum keys make it too long for padding, often or always; then there is none.
fn hello(tls: &Tls) -> ClientHello {
    let long = tls.ech_grease.is_some() || tls.key_shares.contains(&4588);
    let extensions = tls.extensions.iter().copied();
    let extensions = extensions.filter(|id| *id != extension::PADDING || !long);
    ClientHello {
        record_version: 0x0301,
        handshake_version: 0x0303,
        random: [0; 32],
        session_id: vec![0; 32],
        ciphers: tls.ciphers.clone(),
        compression_methods: vec![0],
        extensions: extensions.map(|id| content(tls, id)).collect(),
        message_length: 0,
    }
}

fn content(tls: &Tls, id: u16) -> Extension {
    let body = match id {
        extension::SUPPORTED_GROUPS => Body::SupportedGroups(tls.groups.clone()),
        extension::EC_POINT_FORMATS => Body::EcPointFormats(vec![0]),
        extension::SIGNATURE_ALGORITHMS => {
            Body::SignatureAlgorithms(tls.signature_algorithms.clone())
        }
        extension::ALPN => Body::Alpn(tls.alpn.iter().map(|name| name.as_bytes().into()).collect()),
        extension::SUPPORTED_VERSIONS => Body::SupportedVersions(tls.versions.clone()),
        _ => Body::Opaque(Vec::new()),
    };
    Extension {
        id,
        length: 0,
        body,
    }
}

fn opening(fingerprint: &Fingerprint) -> (Vec<Frame>, Vec<Field>) {
    let http2 = &fingerprint.http2;
    let settings = http2.settings.iter();
    let settings = settings.map(|&(id, value)| (id, value)).collect();
    let frame = |payload| Frame {
        stream: 0,
        flags: 0,
        length: 0,
        payload,
    };
    let increment = http2.window_update;
    let frames = vec![
        frame(Payload::Settings(settings)),
        frame(Payload::WindowUpdate { increment }),
    ];
    let fields = http2.pseudo_headers.iter().map(|name| Field {
        name: name.clone().into(),
        value: "".into(),
        form: Form::Indexed(1),
    });
    (frames, fields.collect())
}

#[test]
fn files_agree_with_themselves() {
    for name in super::names() {
        let Fingerprint { tls, http2, .. } = super::find(name).unwrap();
        let greased = tls.ciphers.contains(&GREASE);
        assert_eq!(
            tls.extensions.iter().filter(|id| **id == GREASE).count(),
            if greased { 2 } else { 0 },
            "{name}"
        );
        assert_eq!(tls.groups.contains(&GREASE), greased, "{name}");
        assert_eq!(tls.key_shares.contains(&GREASE), greased, "{name}");
        assert!(
            !(tls.extensions.contains(&ALPS) && tls.extensions.contains(&ALPS_OLD)),
            "{name}"
        );
        assert_eq!(
            tls.extensions.contains(&ECH),
            tls.ech_grease.is_some(),
            "{name}"
        );
        assert_eq!(http2.pseudo_headers.len(), 4, "{name}");
    }
}
