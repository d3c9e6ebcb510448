//! Public names for a client's opening bytes: JA3, JA3N, JA4 and the Akamai HTTP/2 text.
//!
//! Servers and blogs speak of fingerprints by these strings, so `hs fingerprint` and the demonstration origin print them
//! and the tests compare them. They are lossy: two clients with equal strings can still differ on the wire, hence equality
//! with a browser is never decided here.
//!
//! Definitions: <https://github.com/salesforce/ja3>, <https://github.com/FoxIO-LLC/ja4>, and Akamai's "Passive
//! Fingerprinting of HTTP/2 Clients" (Black Hat EU 2017).

use std::fmt::Write as _;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::wire::extension::{ALPN, Body, EC_POINT_FORMATS, SERVER_NAME, is_grease};
use super::wire::frames::{Frame, Payload, Priority};
use super::wire::hello::ClientHello;
use super::wire::hpack::Field;

/// JA3: version, ciphers, extensions in their order, groups, point formats; decimal, without GREASE.
pub fn ja3(hello: &ClientHello) -> String {
    ja3_with(hello, real_extensions(hello))
}

/// JA3N: JA3 with the extensions sorted, so that a browser that shuffles them keeps one name.
pub fn ja3n(hello: &ClientHello) -> String {
    let mut extensions = real_extensions(hello);
    extensions.sort_unstable();
    ja3_with(hello, extensions)
}

/// JA4 of a TLS-over-TCP hello: `t13d1516h2_8daaf6152771_02713d6af862`.
pub fn ja4(hello: &ClientHello) -> String {
    let [head, ciphers, tail] = ja4_parts(hello);
    format!("{head}_{}_{}", sha256_12(&ciphers), sha256_12(&tail))
}

/// JA4_r, the text that JA4 hashes.
pub fn ja4_r(hello: &ClientHello) -> String {
    ja4_parts(hello).join("_")
}

/// Akamai's text: `SETTINGS|WINDOW_UPDATE|PRIORITY|pseudo-headers`, from a client's frames and its first request's header.
///
/// Looks only at what comes before the first HEADERS frame. `00` stands for a missing WINDOW_UPDATE on the connection,
/// `0` for no PRIORITY frames.
pub fn akamai(frames: &[Frame], request: &[Field]) -> String {
    let (mut settings, mut window, mut priorities) = (None, None, Vec::new());
    for frame in frames {
        if let Payload::Headers { .. } = frame.payload {
            break;
        } else if let Payload::Settings(pairs) = &frame.payload {
            settings.get_or_insert(pairs.as_slice());
        } else if let Payload::WindowUpdate { increment } = frame.payload
            && frame.stream == 0
        {
            window.get_or_insert(increment.to_string());
        } else if let Payload::Priority(priority) = frame.payload {
            priorities.push(priority_text(frame.stream, priority));
        }
    }
    let settings = settings.unwrap_or_default().iter();
    let settings = join(settings.map(|(id, value)| format!("{id}:{value}")), ";");
    let window = window.as_deref().unwrap_or("00");
    let priorities = if priorities.is_empty() {
        "0".to_owned()
    } else {
        priorities.join(",")
    };
    format!("{settings}|{window}|{priorities}|{}", pseudo_order(request))
}

/// Lower-case hexadecimal MD5 of a text: how JA3 and Akamai strings are usually quoted.
pub fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text))
}

fn priority_text(stream: u32, priority: Priority) -> String {
    let Priority {
        dependency,
        exclusive,
        weight,
    } = priority;
    format!("{stream}:{}:{dependency}:{weight}", u8::from(exclusive))
}

/// The first letters of the pseudo-header fields, in their order.
fn pseudo_order(request: &[Field]) -> String {
    let letters = request.iter().filter_map(|field| match *field.name {
        [b':', letter, ..] => Some(char::from(letter).to_string()),
        _ => None,
    });
    join(letters, ",")
}

fn ja3_with(hello: &ClientHello, extensions: Vec<u16>) -> String {
    let formats = match hello.extension(EC_POINT_FORMATS) {
        Some(Body::EcPointFormats(formats)) => formats.as_slice(),
        Some(_) | None => &[],
    };
    let list = |codes: &mut dyn Iterator<Item = u16>| join(codes.map(|code| code.to_string()), "-");
    format!(
        "{},{},{},{},{}",
        hello.handshake_version,
        list(&mut real(&hello.ciphers)),
        list(&mut extensions.into_iter()),
        list(&mut real(hello.groups())),
        list(&mut formats.iter().map(|format| u16::from(*format))),
    )
}

/// The readable head, the sorted ciphers, and the sorted extensions with the signature algorithms behind them.
fn ja4_parts(hello: &ClientHello) -> [String; 3] {
    let mut ciphers: Vec<u16> = real(&hello.ciphers).collect();
    let mut extensions = real_extensions(hello);
    let head = format!(
        "t{}{}{:02}{:02}{}",
        ja4_version(hello),
        if extensions.contains(&SERVER_NAME) {
            'd'
        } else {
            'i'
        },
        ciphers.len().min(99),
        extensions.len().min(99),
        ja4_alpn(hello),
    );
    ciphers.sort_unstable();
    extensions.retain(|id| ![SERVER_NAME, ALPN].contains(id));
    extensions.sort_unstable();
    let hex4 = |codes: Vec<u16>| join(codes.iter().map(|code| format!("{code:04x}")), ",");
    let algorithms = hex4(real(hello.signature_algorithms()).collect());
    let mut tail = hex4(extensions);
    if !algorithms.is_empty() {
        tail.push('_');
        tail.push_str(&algorithms);
    }
    [head, hex4(ciphers), tail]
}

fn ja4_version(hello: &ClientHello) -> &'static str {
    match real(hello.versions())
        .max()
        .unwrap_or(hello.handshake_version)
    {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol, or their outer hexadecimal digits if they are not alphanumeric.
fn ja4_alpn(hello: &ClientHello) -> String {
    let Some((first, last)) = hello
        .alpn()
        .first()
        .and_then(|name| name.first().zip(name.last()))
    else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [char::from(*first), char::from(*last)].iter().collect()
    } else {
        format!("{:x}{:x}", first >> 4, last & 0x0f)
    }
}

fn real(codes: &[u16]) -> impl Iterator<Item = u16> + '_ {
    codes.iter().copied().filter(|code| !is_grease(*code))
}

fn real_extensions(hello: &ClientHello) -> Vec<u16> {
    hello
        .extensions
        .iter()
        .map(|extension| extension.id)
        .filter(|id| !is_grease(*id))
        .collect()
}

fn join(items: impl Iterator<Item = String>, separator: &str) -> String {
    items.collect::<Vec<_>>().join(separator)
}

/// JA4's short hash: twelve hexadecimal digits, or zeros for an empty list.
fn sha256_12(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    hex(&Sha256::digest(text)[..6])
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::wire::hpack::Form;
    use super::*;

    /// The hello of a Chromium 120 on Linux.
    const CHROMIUM_120: &str = "\
        010002080303d4ee7b368d32089178c90a13880ff794c1a71585c8910bbf4d376bdaaa96a4d72083e5e6b1f29097309f5224bafe\
        e0102df39b48c6b2ba2e2d5635fdf2fe4f906900208a8a130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f00\
        350100019f2a2a0000fe0d00da00000100016b002094aa23f9a92f7908d571d355ec895d2948d7ccba978af95b364a07cc635ca0\
        1700b0b297736731f4932b2357f244c14997a091efbd48d101ccb8e81c2b6604ec82e0c99df099ed058bd4b8b8418119c5d1a54f\
        c217f1e14f719396291579d576b99ff8fd94550d17e4186b259a220f100dfa19787d106afe4156eb4fdd7f25d687e2b28d003041\
        a01d88a4334340480f7b27b5b303c2646fd3db073d8080453436c1ef2d467a2fc7d3feeec26d8db418c3933d823176b9738ee6c9\
        b9232b4ac2e647258b1375bbc8e248704739b3ec64de54000b00020100002b000706caca030403030033002b00299a9a00010000\
        1d0020468624e41d1986e83d0520ee05403d71d3419640bb42cdccb84a4d9e1b9f953c00120000002d00020101000d0012001004\
        0308040401050308050501080606010010000e000c02683208687474702f312e3100170000000a000a00089a9a001d0017001800\
        00000e000c0000096c6f63616c686f7374001b0003020002ff01000100000500050100000000002300004469000500030268324a\
        4a000100";

    fn chromium() -> ClientHello {
        let digit = |at: usize| u8::from_str_radix(&CHROMIUM_120[at..at + 2], 16).unwrap();
        let message: Vec<u8> = (0..CHROMIUM_120.len()).step_by(2).map(digit).collect();
        ClientHello::parse_message(&message, 0x0301).unwrap()
    }

    fn frame(stream: u32, payload: Payload) -> Frame {
        Frame {
            stream,
            flags: 0,
            length: 0,
            payload,
        }
    }

    fn fields(names: &[&'static str]) -> Vec<Field> {
        let field = |name: &&'static str| Field {
            name: Bytes::from(*name),
            value: Bytes::new(),
            form: Form::Indexed(1),
        };
        names.iter().map(field).collect()
    }

    #[test]
    fn ja3_keeps_the_order_and_ja3n_does_not() {
        let hello = chromium();
        assert_eq!(md5_hex(&ja3(&hello)), "54017acbc1f039900be72c0f2c0e5dae");
        assert_eq!(
            ja3n(&hello),
            "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,\
             0-5-10-11-13-16-18-23-27-35-43-45-51-17513-65037-65281,29-23-24,0"
        );
        assert_eq!(md5_hex(&ja3n(&hello)), "473f0e7c0b6a0f7b049072f4e683068b");
    }

    #[test]
    fn ja4_is_the_hash_of_ja4_r() {
        let hello = chromium();
        assert_eq!(ja4(&hello), "t13d1516h2_8daaf6152771_02713d6af862");
        assert_eq!(
            ja4_r(&hello),
            "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_\
             0005,000a,000b,000d,0012,0017,001b,0023,002b,002d,0033,4469,fe0d,ff01_\
             0403,0804,0401,0503,0805,0501,0806,0601"
        );
    }

    #[test]
    fn a_bare_hello_has_names_too() {
        let mut hello = chromium();
        hello.extensions.clear();
        hello.ciphers.clear();
        assert_eq!(ja3(&hello), "771,,,,");
        assert_eq!(ja4(&hello), "t12i000000_000000000000_000000000000");
    }

    #[test]
    fn akamai_of_chrome() {
        let frames = [
            frame(
                0,
                Payload::Settings(vec![(1, 65536), (2, 0), (4, 6_291_456), (6, 262_144)]),
            ),
            frame(
                0,
                Payload::WindowUpdate {
                    increment: 15_663_105,
                },
            ),
            frame(
                1,
                Payload::Headers {
                    priority: None,
                    fragment: Bytes::new(),
                },
            ),
            frame(0, Payload::WindowUpdate { increment: 1 }),
        ];
        let text = akamai(
            &frames,
            &fields(&[":method", ":authority", ":scheme", ":path", "accept"]),
        );
        assert_eq!(text, "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p");
        assert_eq!(md5_hex(&text), "52d84b11737d980aef856699f885ca86");
    }

    #[test]
    fn akamai_lists_priority_frames_and_marks_what_is_missing() {
        let priority = Priority {
            dependency: 3,
            exclusive: true,
            weight: 201,
        };
        let frames = [
            frame(0, Payload::Settings(vec![(4, 131_072)])),
            frame(5, Payload::Priority(priority)),
        ];
        assert_eq!(
            akamai(&frames, &fields(&[":method", ":path"])),
            "4:131072|00|5:1:3:201|m,p"
        );
        assert_eq!(akamai(&[], &[]), "|00|0|");
    }
}
