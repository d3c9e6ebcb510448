//! What is held of each parser that reads bytes of strangers, whatever the bytes are.
//!
//! A target takes any input, and panics where a promise is broken; that a parser does not panic itself is only the first of
//! them. `targets/*.rs` hand these to libFuzzer, and `tests/fuzz.rs` runs them over the corpora and changed copies of those,
//! on any compiler.

use std::collections::BTreeMap;
use std::time::Duration;

use hydrastream::batch::list;
use hydrastream::fingerprint::wire::frames::{Frame, FrameReader, Payload};
use hydrastream::fingerprint::wire::hello::ClientHello;
use hydrastream::fingerprint::wire::hpack::{self, Decoder};
use hydrastream::fingerprint::wire::recode::{Style, recode};
use hydrastream::fingerprint::wire::{huffman, record};
use hydrastream::fingerprint::{self, ja, text};
use hydrastream::hash::{Algorithm, Hasher};
use hydrastream::http::Headers;
use hydrastream::range::{ContentRange, RangeSet};
use hydrastream::resolve::{self, Source};
use hydrastream::sums::{self, List};
use hydrastream::{name, resume, retry};
use url::Url;

/// Takes any input.
pub type Target = fn(&[u8]);

/// All targets by name; each has a folder of that name in `corpus/`.
#[allow(dead_code, reason = "each fuzzer uses one target")]
pub const TARGETS: [(&str, Target); 9] = [
    ("content_range", content_range),
    ("content_disposition", content_disposition),
    ("retry_after", retry_after),
    ("sums", sums_file),
    ("url_list", url_list),
    ("control_file", control_file),
    ("fingerprint", fingerprint_file),
    ("client_hello", client_hello),
    ("http2", http2),
];

/// `Content-Range`: what was read is within bounds, and is read back from what it is printed as.
pub fn content_range(input: &[u8]) {
    let value = &latin1(input);
    let strict = ContentRange::parse(value);
    let loose = ContentRange::parse_loose(value);
    if let Ok(read) = &strict {
        assert_eq!(ContentRange::parse(&read.to_string()), Ok(*read));
        assert_eq!(loose, strict, "a right value has one meaning");
    }
    for read in [strict, loose].into_iter().flatten() {
        assert!(read.range.is_some() || read.total.is_some());
        if let Some(range) = read.range {
            assert!(range.start < range.end);
            assert!(read.total.is_none_or(|total| range.end <= total));
        }
    }
}

/// `Content-Disposition` and the URL: the name is one safe path component, and its own safe name.
pub fn content_disposition(input: &[u8]) {
    let value = latin1(input);
    let mut headers = Headers::new();
    headers.append("Content-Disposition", &value);
    let plain: Url = "https://example.org/".parse().expect("a URL");
    let path = format!("https://example.org/{value}").parse();
    let source = Source::new(plain.clone());
    for name in [
        resolve::name::of(&source, &headers, &plain),
        resolve::name::of(&source, &Headers::new(), path.as_ref().unwrap_or(&plain)),
        name::safe(&value),
        name::safe(&String::from_utf8_lossy(input)),
    ] {
        assert!((1..=name::MAX_LEN).contains(&name.len()), "{name:?}");
        let is_bad = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
        assert!(!name.contains(is_bad), "{name:?}");
        assert!(!name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']));
        for own in [".part", ".part.json", ".part.new"] {
            assert!(!name.to_ascii_lowercase().ends_with(own), "{name:?}");
        }
        assert_eq!(name::safe(&name), name, "safe names stay");
    }
}

/// `Retry-After`: digits are seconds, a date comes nearer as time goes by.
pub fn retry_after(input: &[u8]) {
    let value = &latin1(input);
    let now = 1_750_000_000;
    let read = retry::parse_retry_after(value, now);
    let later = retry::parse_retry_after(value, now + 1);
    assert_eq!(read.is_some(), later.is_some());
    let (Some(read), Some(later)) = (read, later) else {
        return;
    };
    let digits = value.trim();
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(read.as_secs(), digits.parse().unwrap_or(u64::MAX));
        assert_eq!(read, later);
    } else {
        assert_eq!(later, read.saturating_sub(Duration::from_secs(1)));
    }
}

/// Lists of checksums: what is found stands there, and stays the same when the list is said twice.
pub fn sums_file(input: &[u8]) {
    let text = &String::from_utf8_lossy(input);
    let lists = [
        List::OfOne(Algorithm::Md5),
        List::OfMany(Algorithm::Sha256),
        List::Untold,
    ];
    for list in lists {
        let Some(found) = sums::find(text, "file.bin", list) else {
            continue;
        };
        assert_eq!(found.digest.len(), found.algorithm.digest_len());
        let lower = text.to_ascii_lowercase();
        assert!(lower.contains(&found.hex()), "{found} is not in the list");
        let twice = format!("{text}\n{text}");
        // A signed list ends where its signature begins.
        if !text.contains("-----") {
            assert_eq!(sums::find(&twice, "file.bin", list), Some(found));
        }
    }
}

/// Lists of URLs: what a line gives can be fetched, stays where it belongs, and is what it is written as; a line that is wrong
/// is named, and shows no password.
pub fn url_list(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for (nth, line) in text.lines().enumerate() {
        let place = format!("list:{nth}");
        match list::read(line, &place, Algorithm::Md5, false) {
            Ok(Some(source)) => {
                check_source(&source);
                let spaced = list::read(&format!("\t {line} "), &place, Algorithm::Md5, false);
                let spaced = spaced.expect("blanks around it say nothing");
                assert_eq!(spaced.map(as_object), Some(as_object(source)));
            }
            Ok(None) => assert!(line.trim().is_empty() || line.trim().starts_with('#')),
            Err(error) => assert!(error.to_string().starts_with(&place), "{error}"),
        }
        if !line.contains("pass-word") {
            for prefix in ["ftp://me:pass-word@", "http://me:pass-word@"] {
                if let Err(error) =
                    list::read(&format!("{prefix}{line}"), &place, Algorithm::Md5, false)
                {
                    assert!(!error.to_string().contains("pass-word"), "{error}");
                }
            }
        }
    }
}

fn check_source(source: &Source) {
    for url in source.mirrors.iter().chain([&source.url, &source.home]) {
        assert!(matches!(url.scheme(), "http" | "https"), "{url}");
        assert!(url.has_host(), "{url}");
    }
    assert_eq!(source.home, source.url);
    if let Some(name) = &source.name {
        let path = std::path::Path::new(name);
        assert_eq!(path.file_name(), Some(path.as_os_str()), "{name:?}");
        assert!((1..=name::MAX_LEN).contains(&name.len()) && !name.contains('\0'));
    }
    for edit in &source.headers {
        let line = format!(
            "{}: {}",
            edit.name,
            edit.value.as_deref().unwrap_or_default()
        );
        assert!(
            !edit.name.is_empty() && !line.contains(['\r', '\n', '\0']),
            "{line:?}"
        );
        assert!(!edit.name.contains([':', ' ']), "{line:?}");
    }
    let again = list::read(&as_object(source.clone()), "", Algorithm::Sha1, false);
    let again = again.expect("what was read can be written").map(as_object);
    assert_eq!(again, Some(as_object(source.clone())));
}

/// A source as a line of a list.
fn as_object(source: Source) -> String {
    let headers: BTreeMap<_, _> = source
        .headers
        .into_iter()
        .map(|it| (it.name, it.value))
        .collect();
    let object = serde_json::json!({
        "url": source.url.as_str(),
        "mirrors": source.mirrors.iter().map(Url::as_str).collect::<Vec<_>>(),
        "out": source.name,
        "checksum": source.checksum.map(|it| it.to_string()),
        "headers": headers,
    });
    object.to_string()
}

/// Control files: no damage is believed, and what is believed is within the file.
pub fn control_file(input: &[u8]) {
    let boot = Some("boot");
    if let Some(found) = resume::parse(input, boot) {
        check_found(&found);
    }
    // As damage that a checksum would find is not interesting, also with the right checksum behind each line.
    let sealed: Vec<u8> = input
        .split(|&byte| byte == b'\n')
        .flat_map(|line| seal(line.strip_suffix(b"}").unwrap_or(line)))
        .collect();
    let Some(found) = resume::parse(&sealed, boot) else {
        return;
    };
    check_found(&found);
    let without_boot = resume::parse(&sealed, None).expect("the head alone is enough");
    assert_eq!(without_boot.done, without_boot.durable);
    assert_eq!(without_boot.durable, found.durable);
    let mut flipped = sealed;
    flipped[input.len() % 16] ^= 1;
    assert_eq!(resume::parse(&flipped, boot), None, "damage is believed");
}

fn check_found(found: &resume::Found) {
    let within = |inner: &RangeSet, outer: &RangeSet| inner.iter().all(|r| outer.contains_range(r));
    assert!(within(&found.durable, &found.done));
    let ranges: Vec<_> = found.done.iter().collect();
    assert!(ranges.iter().all(|range| range.start < range.end));
    assert!(ranges.windows(2).all(|two| two[0].end < two[1].start));
    if let Some(length) = found.identity.entity.length {
        assert!(ranges.last().is_none_or(|last| last.end <= length));
        assert_eq!(
            found.done.complement(length).len() + found.done.len(),
            length
        );
    }
}

/// One line as `hs` would have ended it.
fn seal(json: &[u8]) -> Vec<u8> {
    let mut hasher = Hasher::new(&[Algorithm::Crc32c]);
    hasher.update(json);
    let crc = hasher.finish().remove(0).hex();
    [json, format!(",\"crc\":\"{crc}\"}}\n").as_bytes()].concat()
}

/// Fingerprint files: what was read is read back from what it is printed as.
pub fn fingerprint_file(input: &[u8]) {
    let Ok(read) = std::str::from_utf8(input).map(fingerprint::read) else {
        return;
    };
    match read {
        Ok(read) => {
            let printed = text::file(&read, &[]);
            let again = fingerprint::read(&printed);
            let mut again = again.unwrap_or_else(|error| panic!("{error}\n{printed}"));
            // Not printed: what is printed is whole.
            again.inherits.clone_from(&read.inherits);
            again.aliases.clone_from(&read.aliases);
            assert_eq!(again, read, "{printed}");
        }
        Err(error) => assert!(!error.is_empty()),
    }
}

/// The ClientHello: lengths agree with the bytes, records cut the stream without a gap, fingerprints have their form.
pub fn client_hello(input: &[u8]) {
    let stream = &unhex(input);
    let covered: usize = record::records(stream)
        .map(|(record, content)| {
            assert!(content.len() <= usize::from(record.length));
            5 + content.len()
        })
        .sum();
    assert!(covered <= stream.len() && stream.len() < covered + 5);
    let mut layout = record::Layout::new(4);
    stream.chunks(7).for_each(|chunk| layout.feed(chunk));
    let headers: Vec<_> = record::records(stream).map(|(r, _)| r).take(4).collect();
    assert_eq!(layout.records(), headers);
    let Ok(hellos) = ClientHello::parse_all(stream) else {
        assert!(ClientHello::parse(stream).is_err());
        return;
    };
    assert_eq!(ClientHello::parse(stream).as_ref(), Ok(&hellos[0]));
    let total: usize = hellos.iter().map(|hello| hello.message_length).sum();
    assert!(total <= stream.len());
    for hello in hellos {
        let ja4 = ja::ja4(&hello);
        let parts: Vec<_> = ja4.split('_').map(str::len).collect();
        assert_eq!(parts, [10, 12, 12], "{ja4}");
        assert_eq!(ja::ja3(&hello).matches(',').count(), 4);
        assert_eq!(ja::ja3n(&hello).matches(',').count(), 4);
        assert!(ja::ja4_r(&hello).starts_with(&ja4[..10]));
    }
}

/// HTTP/2: frames are the same however the stream is cut, header blocks mean the same in any style.
pub fn http2(input: &[u8]) {
    let stream = &unhex(input);
    let at_once = frames([&stream[..]].into_iter());
    assert_eq!(frames(stream.chunks(1)), at_once, "cut into bytes");
    assert_eq!(frames(stream.chunks(10)), at_once, "cut into tens");
    let mut decoder = Decoder::new(hpack::DEFAULT_TABLE_SIZE);
    for frame in &at_once {
        if let Payload::Headers { fragment, .. } | Payload::Continuation(fragment) = &frame.payload
            && !header_block(&mut decoder, fragment)
        {
            // A decoder cannot be used after an error.
            break;
        }
    }
    let mut any = Decoder::new(hpack::DEFAULT_TABLE_SIZE);
    header_block(&mut any, stream);
    let coded = huffman::encode(stream);
    assert_eq!(coded.len(), huffman::encoded_len(stream));
    assert_eq!(huffman::decode(&coded).as_deref(), Some(&stream[..]));
}

/// All frames up to the first error.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut reader = FrameReader::new(16_384);
    let mut frames = Vec::new();
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.length <= 16_384 && frame.stream <= 0x7fff_ffff);
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
    }
    frames
}

/// Decodes a block twice, the second time as Firefox would have written it; false if it is none.
fn header_block(decoder: &mut Decoder, block: &[u8]) -> bool {
    let style = Style {
        huffman_always: true,
        path_always_literal: true,
    };
    let plain = Style::default();
    let Ok(decoded) = decoder.decode(block) else {
        return false;
    };
    assert!(recode(block, plain).is_some());
    // A fresh decoder understands a block only if that refers to nothing before it.
    let fresh = |block: &[u8]| Decoder::new(hpack::DEFAULT_TABLE_SIZE).decode(block).ok();
    let Some(alone) = fresh(block) else {
        return true;
    };
    let respelt = recode(block, style).expect("a whole block");
    let respelt = fresh(&respelt).expect("a whole block, again");
    let fields = |block: &hpack::Block| -> Vec<_> {
        let fields = block.fields.iter();
        fields.map(|f| (f.name.clone(), f.value.clone())).collect()
    };
    assert_eq!(fields(&respelt), fields(&alone));
    assert_eq!(respelt.table_sizes, alone.table_sizes);
    assert_eq!(decoded.fields.len(), alone.fields.len());
    true
}

/// Bytes as the text of a header field: each is a character.
fn latin1(input: &[u8]) -> String {
    input.iter().map(|&byte| char::from(byte)).collect()
}

/// Input in hexadecimal, with spaces and lines of comment, so that corpora can be read; anything else is taken as it is.
fn unhex(input: &[u8]) -> Vec<u8> {
    let read = || {
        let text = std::str::from_utf8(input).ok()?;
        let code = text.lines().filter(|line| !line.starts_with('#'));
        let digits: Vec<u32> = code
            .flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()?;
        Some(
            digits
                .chunks(2)
                .map(|two| two.iter().fold(0, |n, d| n << 4 | *d as u8))
                .collect(),
        )
    };
    read().unwrap_or_else(|| input.to_vec())
}
