//! Reads the head of an answer before one byte of its body is used.
//!
//! A server may ignore a range, serve another one, or serve a file that has changed; bytes put together without looking
//! at the head are how downloads get corrupted (RFC 9110 §15.3.7: a client must inspect the Content-Range). [`first`]
//! reads the answer to a plain GET, [`slice()`] the answer to a range request. A refused answer's body is to be thrown
//! away; [`Refusal::meaning`] says what follows for the file. What is no question of ranges, such as 404 or 503, is
//! passed on as [`Refusal::Status`] for `retry`'s table. Nothing here looks at a body: that it ends where the head said
//! is checked while it arrives.

use crate::entity::{Entity, Validator};
use crate::http::{Head, Headers, Protocol};
use crate::range::{ByteRange, ContentRange};

/// What the answer to a plain GET tells about the file. Its body carries the bytes from offset 0 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// Length and validators. The length counts bytes as transferred: with `encoded` set it is not the length of what
    /// comes out of the decoder.
    pub entity: Entity,
    /// Whether range requests are worth a try.
    pub ranges: Ranges,
    /// The `Content-Encoding`, if any other than `identity`, in lower case; a list as the server wrote it.
    pub encoded: Option<String>,
    /// Only the close of the connection tells the end of the body (RFC 9112 §6.3, item 8): whether it is whole cannot be
    /// known.
    pub until_close: bool,
}

/// Whether a server takes range requests (RFC 9110 §14.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// It says so; some that say so still ignore them.
    Yes,
    /// It does not say. Many that take them do not, so one request may try.
    Unknown,
    /// It says `none`, or the body is encoded on the fly, where a range would count bytes of the encoding.
    No,
}

/// What the body of an accepted answer to a range request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Begins at the first byte asked for, or up to [`MAX_OVERLAP`] bytes before it; may end earlier or later than asked,
    /// or even be all of the file. What lies outside the chunk has to be cut off.
    pub range: ByteRange,
    /// Length of the whole file, if the answer or the entity tells.
    pub total: Option<u64>,
    /// The server ignored the range: this body begins at 0 because byte 0 was asked for. Other ranges will fail.
    pub whole: bool,
}

/// Bytes that an answer may begin too early: caches serve whole blocks, and what is read in vain costs less than to ask
/// again.
pub const MAX_OVERLAP: u64 = 4 << 20;

/// Why an answer's body must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither a success nor about ranges; `retry` knows what each status means.
    #[error("server answered with status {0}")]
    Status(u16),
    /// 204 or 205: success, and nothing to save.
    #[error("server says that there is no content")]
    NoContent,
    /// 304 although no cached copy was mentioned.
    #[error("server says not modified, but no condition was sent")]
    NotModified,
    /// 206 although no range was asked for.
    #[error("server sent a part, but the whole was asked for")]
    Part,
    /// Content-Length fields that contradict each other, are no number or exceed 2⁶³ − 1; or a length shorter than the
    /// Content-Range.
    #[error("content-length {0:?} is invalid")]
    Length(String),
    /// 200 to a range request that does not begin at 0: the server ignores ranges, at least for now.
    #[error("server sent the whole file, but a range was asked for")]
    Whole,
    /// The answer belongs to another version of the file: other validators or another length.
    #[error("the file has changed on the server")]
    Changed,
    /// The answer has the right length and date and another tag, as the nodes of some servers have them.
    #[error("the file has another tag, perhaps as another node of the server answers")]
    Twin,
    /// 412: the condition sent along does not hold any more.
    #[error("the file has changed on the server, as a precondition failed")]
    Precondition,
    /// 206 without a Content-Range, or with several different ones.
    #[error("server sent a part without saying which")]
    NoContentRange,
    /// 206 with a Content-Range that cannot be read.
    #[error("content-range {0:?} is invalid")]
    ContentRange(String),
    /// 206 whose first byte is behind the one asked for, or too far before it.
    #[error("asked for bytes from {asked} on, server sent them from {got} on")]
    Start {
        /// First byte asked for.
        asked: u64,
        /// First byte sent.
        got: u64,
    },
    /// 206 with a multipart body, unless that had the range alone (see [`multipart`](crate::multipart)): nobody asked for
    /// several.
    #[error("server sent a multipart body to a request for one range")]
    Multipart,
    /// 206 with a Content-Encoding: its offsets may count encoded bytes.
    #[error("server sent a range in the encoding {0:?}")]
    Encoded(String),
    /// Something for people where a file was expected, see [`page`](crate::page).
    #[error("server sent {0} instead of the file")]
    Page(String),
    /// What guards the server wants to see a browser solve something first.
    #[error("{0} wants a browser to pass a challenge first")]
    Challenge(&'static str),
    /// 416: no byte of the range exists.
    #[error("server has no byte of the range, its file is {} bytes long", .total.map_or("unknown".to_owned(), |n| n.to_string()))]
    Unsatisfiable {
        /// Length of the file according to this answer.
        total: Option<u64>,
        /// Whether that length is another one than before.
        changed: bool,
    },
}

/// What a [`Refusal`] says about the file and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An ordinary failure with this status.
    Status(u16),
    /// The file is another one now: nothing that was loaded may be kept.
    Changed,
    /// This server cannot be trusted with ranges: go on with a single stream.
    NoRanges,
    /// The answer made no sense; the next one may.
    Again,
    /// What is known about the file is in doubt: ask afresh with a plain GET.
    Unclear,
    /// Asking again is useless.
    Never,
}

impl Refusal {
    /// What follows from this refusal.
    pub fn meaning(&self) -> Meaning {
        match self {
            Refusal::Status(code) => Meaning::Status(*code),
            Refusal::Changed | Refusal::Twin => Meaning::Changed,
            Refusal::Unsatisfiable { changed: true, .. } => Meaning::Changed,
            // Some servers fail every condition on a tag that they made up on the way out.
            Refusal::Precondition | Refusal::Unsatisfiable { changed: false, .. } => {
                Meaning::Unclear
            }
            // A cache that serves whole blocks starts too early now and then; one that starts too late is broken.
            Refusal::Start { asked, got } if got < asked => Meaning::Again,
            Refusal::Start { .. }
            | Refusal::Whole
            | Refusal::NoContentRange
            | Refusal::ContentRange(_)
            | Refusal::Multipart
            | Refusal::Encoded(_) => Meaning::NoRanges,
            Refusal::NotModified | Refusal::Part | Refusal::Length(_) => Meaning::Again,
            Refusal::NoContent | Refusal::Page(_) | Refusal::Challenge(_) => Meaning::Never,
        }
    }
}

/// Reads the answer to a GET without a range.
///
/// # Errors
/// Anything but 200 and 203, and invalid lengths.
pub fn first(head: &Head) -> Result<First, Refusal> {
    match head.status {
        200 | 203 => {}
        204 | 205 => return Err(Refusal::NoContent),
        206 => return Err(Refusal::Part),
        304 => return Err(Refusal::NotModified),
        status => return Err(Refusal::Status(status)),
    }
    let encoded = encoding(head);
    let ranges = if encoded.is_some() {
        Ranges::No
    } else {
        accept_ranges(&head.headers)
    };
    Ok(First {
        entity: entity(head)?,
        ranges,
        encoded,
        until_close: is_until_close(head),
    })
}

/// Reads the answer to a request for `asked`, a range that is not empty, of the file that `known` describes.
///
/// `open` means that the request had no end (`bytes=a-`), so that the body naturally goes beyond `asked`.
///
/// # Errors
/// Whatever makes the body useless for `asked`; a changed file is told apart from a disobedient server.
pub fn slice(head: &Head, asked: ByteRange, open: bool, known: &Entity) -> Result<Slice, Refusal> {
    match head.status {
        206 => part(head, asked, open, known),
        200 | 203 => whole(head, asked, known),
        204 | 205 => Err(Refusal::NoContent),
        304 => Err(Refusal::NotModified),
        412 => Err(Refusal::Precondition),
        416 => Err(unsatisfiable(head, known)),
        status => Err(Refusal::Status(status)),
    }
}

/// A 206: all of section 15.3.7's duties.
fn part(head: &Head, asked: ByteRange, open: bool, known: &Entity) -> Result<Slice, Refusal> {
    if let Some(coding) = encoding(head) {
        return Err(Refusal::Encoded(coding));
    }
    if is_multipart(&head.headers) {
        return Err(Refusal::Multipart);
    }
    let content_length = content_length(head)?;
    let content_range = read_content_range(&head.headers, asked, open, known)?;
    let Some(range) = content_range.range else {
        return Err(Refusal::ContentRange(content_range.to_string()));
    };
    let answered = Entity {
        length: content_range.total,
        validator: Validator::of(&head.headers),
    };
    if !known.agrees(&answered) {
        return Err(changed(known, &answered));
    }
    if range.start != asked.start && content_range.total == Some(range.len()) {
        return Err(Refusal::Whole);
    }
    let too_early = asked.start.saturating_sub(range.start) > MAX_OVERLAP;
    if range.start > asked.start || range.end <= asked.start || too_early {
        return Err(Refusal::Start {
            asked: asked.start,
            got: range.start,
        });
    }
    if let Some(length) = content_length.filter(|&length| length < range.len()) {
        return Err(Refusal::Length(length.to_string()));
    }
    Ok(Slice {
        range,
        total: content_range.total.or(known.length),
        whole: false,
    })
}

/// A 200: useful only where the whole file begins with what was asked for.
fn whole(head: &Head, asked: ByteRange, known: &Entity) -> Result<Slice, Refusal> {
    let encoded = encoding(head);
    // With an encoding, tag and length belong to another representation: that does not say the file has changed.
    if encoded.is_some() {
        return Err(Refusal::Whole);
    }
    // Which of the two such a server means cannot be known, so neither its length nor its body says anything.
    if head.headers.get("content-range").is_some() {
        return Err(Refusal::Whole);
    }
    let answered = entity(head)?;
    if !known.agrees(&answered) {
        return Err(changed(known, &answered));
    }
    match answered.length.or(known.length) {
        Some(length) if asked.start == 0 && length > 0 => Ok(Slice {
            range: ByteRange::new(0, length),
            total: Some(length),
            whole: true,
        }),
        Some(_) | None => Err(Refusal::Whole),
    }
}

fn changed(known: &Entity, answered: &Entity) -> Refusal {
    if known.is_twin(answered) {
        Refusal::Twin
    } else {
        Refusal::Changed
    }
}

fn unsatisfiable(head: &Head, known: &Entity) -> Refusal {
    let total = content_range_field(&head.headers)
        .ok()
        .and_then(|value| ContentRange::parse(value).ok())
        .filter(|content_range| content_range.range.is_none())
        .and_then(|content_range| content_range.total);
    let changed = total.is_some() && known.length.is_some() && total != known.length;
    Refusal::Unsatisfiable { total, changed }
}

fn entity(head: &Head) -> Result<Entity, Refusal> {
    Ok(Entity {
        length: content_length(head)?,
        validator: Validator::of(&head.headers),
    })
}

/// The length of the body as the head declares it; `None` if the body's end says it.
///
/// In HTTP/1.x, Transfer-Encoding overrides Content-Length (RFC 9112 §6.3), and the length is not even looked at. A
/// length may be repeated, as a list or as several fields, if it is the same each time (RFC 9110 §8.6).
///
/// # Errors
/// [`Refusal::Length`] if it is no number, or two.
pub(crate) fn content_length(head: &Head) -> Result<Option<u64>, Refusal> {
    let framed_by_body = match head.protocol {
        Protocol::Http10 | Protocol::Http11 => head.headers.get("transfer-encoding").is_some(),
        Protocol::Http2 | Protocol::Http3 => false,
    };
    if framed_by_body {
        return Ok(None);
    }
    let mut length = None;
    for value in head.headers.all("content-length") {
        for member in value.split(',') {
            let number = length_number(member).ok_or_else(|| Refusal::Length(value.to_owned()))?;
            if length.is_some_and(|length| length != number) {
                return Err(Refusal::Length(format!("{value} after others")));
            }
            length = Some(number);
        }
    }
    Ok(length)
}

fn length_number(text: &str) -> Option<u64> {
    let digits = text.trim_matches([' ', '\t']);
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = all_digits.then(|| digits.parse::<u64>().ok()).flatten()?;
    (number <= i64::MAX as u64).then_some(number)
}

/// Whether nothing but the close of the connection ends the body (RFC 9112 §6.3).
fn is_until_close(head: &Head) -> bool {
    let framed = ["content-length", "transfer-encoding"]
        .iter()
        .any(|name| head.headers.get(name).is_some());
    match head.protocol {
        Protocol::Http10 | Protocol::Http11 => !framed,
        Protocol::Http2 | Protocol::Http3 => false,
    }
}

/// The content coding, `None` for the identity coding however it is spelled, and for a packed file that is labelled as if
/// it had been packed on the way.
fn encoding(head: &Head) -> Option<String> {
    let codings: Vec<String> = head
        .headers
        .members("content-encoding")
        .map(str::to_ascii_lowercase)
        .filter(|coding| coding != "identity")
        .collect();
    if codings.is_empty() || (codings == ["gzip"] && is_gzip_file(head)) {
        return None;
    }
    Some(codings.join(", "))
}

/// Whether the file is gzip's, by its type and its name: some servers take the ending `.gz` for a coding and say both, and
/// browsers have learnt to leave such a file as it is.
fn is_gzip_file(head: &Head) -> bool {
    let essence = head
        .headers
        .get("content-type")
        .and_then(|value| value.split(';').next())
        .map(|essence| essence.trim().to_ascii_lowercase());
    let is_gzip = matches!(
        essence.as_deref(),
        Some("application/gzip" | "application/x-gzip" | "application/x-tgz")
    );
    let path = head.url.split(['?', '#']).next().unwrap_or_default();
    let names = [
        path,
        head.headers.get("content-disposition").unwrap_or_default(),
    ];
    let ends = |name: &&str| {
        let name = name.trim_end_matches(['"', ';', ' ']).to_ascii_lowercase();
        name.ends_with(".gz") || name.ends_with(".tgz")
    };
    is_gzip && names.iter().any(ends)
}

fn accept_ranges(headers: &Headers) -> Ranges {
    let mut ranges = Ranges::Unknown;
    for unit in headers.members("accept-ranges") {
        if unit.eq_ignore_ascii_case("bytes") {
            return Ranges::Yes;
        }
        if unit.eq_ignore_ascii_case("none") {
            ranges = Ranges::No;
        }
    }
    ranges
}

fn is_multipart(headers: &Headers) -> bool {
    let essence = headers
        .get("content-type")
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("multipart/byteranges"))
}

/// A 206's Content-Range. One that is misspelt has to say exactly what was asked for, as its author is not to be trusted
/// with anything else.
fn read_content_range(
    headers: &Headers,
    asked: ByteRange,
    open: bool,
    known: &Entity,
) -> Result<ContentRange, Refusal> {
    let value = content_range_field(headers)?;
    if let Ok(content_range) = ContentRange::parse(value) {
        return Ok(content_range);
    }
    let expected_end = if open { known.length } else { Some(asked.end) };
    let expected = expected_end.map(|end| ByteRange::new(asked.start, end.max(asked.start)));
    match ContentRange::parse_loose(value) {
        Ok(loose) if loose.range == expected && loose.total == known.length => Ok(loose),
        Ok(_) | Err(_) => Err(Refusal::ContentRange(value.to_owned())),
    }
}

/// The one Content-Range value. A proxy may repeat the field; repeats that differ leave no answer.
fn content_range_field(headers: &Headers) -> Result<&str, Refusal> {
    let mut values = headers.all("content-range");
    let value = values.next().ok_or(Refusal::NoContentRange)?;
    if values.any(|other| other != value) {
        return Err(Refusal::NoContentRange);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MON: &str = "Mon, 05 Jan 2026 00:00:00 GMT";

    fn head(status: u16, fields: &[(&str, &str)]) -> Head {
        Head {
            status,
            protocol: Protocol::Http11,
            url: "https://example.org/f".to_owned(),
            headers: fields.iter().copied().collect(),
        }
    }

    fn known() -> Entity {
        Entity {
            length: Some(1000),
            validator: Validator {
                etag: Some("\"v1\"".to_owned()),
                last_modified: Some(MON.to_owned()),
            },
        }
    }

    fn asked() -> ByteRange {
        ByteRange::new(100, 200)
    }

    /// The answer to `bytes=100-199` of a file with the tag "v1".
    fn ask(status: u16, fields: &[(&str, &str)]) -> Result<Slice, Refusal> {
        slice(&head(status, fields), asked(), false, &known())
    }

    fn meaning(status: u16, fields: &[(&str, &str)]) -> Meaning {
        ask(status, fields).unwrap_err().meaning()
    }

    #[test]
    fn a01_to_a03_whether_ranges_are_offered() {
        for (value, ranges) in [
            (Some("bytes"), Ranges::Yes),
            (Some("Bytes"), Ranges::Yes),
            (Some("items, bytes"), Ranges::Yes),
            (Some("none"), Ranges::No),
            (Some("items"), Ranges::Unknown),
            (None, Ranges::Unknown),
        ] {
            let mut answer = head(200, &[("Content-Length", "1000"), ("ETag", "\"v1\"")]);
            if let Some(value) = value {
                answer.headers.append("Accept-Ranges", value);
            }
            let read = first(&answer).unwrap();
            assert_eq!(read.ranges, ranges, "{value:?}");
            assert_eq!(read.entity.length, Some(1000));
            assert_eq!(read.entity.validator.etag.as_deref(), Some("\"v1\""));
            assert_eq!(read.encoded, None);
        }
    }

    #[test]
    fn a04_a06_a13_lengths() {
        let length = |fields: &[(&str, &str)]| first(&head(200, fields)).map(|f| f.entity.length);
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&[("content-length", "0")]), Ok(Some(0)));
        assert_eq!(
            length(&[("content-length", "5"), ("content-length", "5")]),
            Ok(Some(5))
        );
        assert_eq!(length(&[("content-length", "5, 5")]), Ok(Some(5)));
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert_eq!(length(&both), Ok(None));
        let mut h2 = head(200, &both);
        h2.protocol = Protocol::Http2;
        assert_eq!(first(&h2).unwrap().entity.length, Some(5));
    }

    #[test]
    fn a14_lengths_that_are_none() {
        let max = (1u64 << 63) - 1;
        assert!(first(&head(200, &[("content-length", &max.to_string())])).is_ok());
        for bad in [
            "-1",
            "+1",
            "",
            "x",
            "5, 6",
            "5,",
            "1e3",
            "9223372036854775808",
            "99999999999999999999",
        ] {
            let answer = head(200, &[("content-length", bad)]);
            assert!(matches!(first(&answer), Err(Refusal::Length(_))), "{bad}");
        }
        let answer = head(200, &[("content-length", "5"), ("content-length", "6")]);
        assert!(matches!(first(&answer), Err(Refusal::Length(_))));
    }

    #[test]
    fn a07_a16_a19_other_statuses() {
        assert_eq!(first(&head(206, &[])), Err(Refusal::Part));
        assert_eq!(first(&head(204, &[])), Err(Refusal::NoContent));
        assert_eq!(first(&head(205, &[])), Err(Refusal::NoContent));
        assert_eq!(first(&head(304, &[])), Err(Refusal::NotModified));
        for status in [300, 404, 416, 429, 503] {
            assert_eq!(first(&head(status, &[])), Err(Refusal::Status(status)));
        }
    }

    #[test]
    fn a08_a10_encodings() {
        let read = |value| {
            let fields = [("content-encoding", value), ("accept-ranges", "bytes")];
            let read = first(&head(200, &fields)).unwrap();
            (read.encoded, read.ranges)
        };
        assert_eq!(read("GZIP"), (Some("gzip".to_owned()), Ranges::No));
        assert_eq!(read("br, gzip"), (Some("br, gzip".to_owned()), Ranges::No));
        assert_eq!(read("identity"), (None, Ranges::Yes));
        assert_eq!(read(""), (None, Ranges::Yes));
    }

    #[test]
    fn b01_exactly_as_asked() {
        let fields = [
            ("Content-Range", "bytes 100-199/1000"),
            ("Content-Length", "100"),
            ("ETag", "\"v1\""),
        ];
        let want = Slice {
            range: asked(),
            total: Some(1000),
            whole: false,
        };
        assert_eq!(ask(206, &fields), Ok(want));
    }

    #[test]
    fn b02_b03_another_start() {
        let early = ask(206, &[("content-range", "bytes 64-199/1000")]).unwrap();
        assert_eq!(early.range, ByteRange::new(64, 200));
        let before = [("content-range", "bytes 64-99/1000")];
        assert_eq!(meaning(206, &before), Meaning::Again);
        let far = head(206, &[("content-range", "bytes 64-99999999/100000000")]);
        let asked = ByteRange::new(65 + MAX_OVERLAP, 99_999_999);
        let refused = slice(&far, asked, false, &Entity::default()).unwrap_err();
        assert_eq!(refused.meaning(), Meaning::Again);
        let late = [("content-range", "bytes 101-199/1000")];
        assert_eq!(meaning(206, &late), Meaning::NoRanges);
    }

    #[test]
    fn b04_b05_another_end() {
        let range = |value| ask(206, &[("content-range", value)]).unwrap().range;
        assert_eq!(range("bytes 100-149/1000"), ByteRange::new(100, 150));
        assert_eq!(range("bytes 100-299/1000"), ByteRange::new(100, 300));
        let longer_body = [
            ("content-range", "bytes 100-199/1000"),
            ("content-length", "900"),
        ];
        assert_eq!(ask(206, &longer_body).unwrap().range, asked());
        let shorter_body = [
            ("content-range", "bytes 100-199/1000"),
            ("content-length", "99"),
        ];
        assert_eq!(meaning(206, &shorter_body), Meaning::Again);
    }

    #[test]
    fn b06_the_whole_file_as_a_part() {
        let fields = [("content-range", "bytes 0-999/1000")];
        assert_eq!(ask(206, &fields), Err(Refusal::Whole));
        let head = head(206, &fields);
        let read = slice(&head, ByteRange::new(0, 100), false, &known()).unwrap();
        assert_eq!(read.range, ByteRange::new(0, 1000));
    }

    #[test]
    fn b07_b08_totals() {
        assert_eq!(
            meaning(206, &[("content-range", "bytes 100-199/1001")]),
            Meaning::Changed
        );
        let starred = ask(206, &[("content-range", "bytes 100-199/*")]).unwrap();
        assert_eq!((starred.range, starred.total), (asked(), Some(1000)));
        let nothing_known = Entity::default();
        let answer = head(206, &[("content-range", "bytes 100-199/1001")]);
        let read = slice(&answer, asked(), false, &nothing_known).unwrap();
        assert_eq!(read.total, Some(1001));
    }

    #[test]
    fn b09_to_b11_which_part_is_unclear() {
        assert_eq!(ask(206, &[]), Err(Refusal::NoContentRange));
        for bad in [
            "bytes=100-199/1000",
            "bytes 199-100/1000",
            "(null)",
            "items 100-199/1000",
            "bytes */1000",
            "bytes 100-199",
            // misspelt, and not what was asked for either
            "100-149/1000",
            "bytes: 100-299/1000",
            "100-199/1001",
        ] {
            let fields = [("content-range", bad)];
            assert_eq!(
                ask(206, &fields),
                Err(Refusal::ContentRange(bad.to_owned()))
            );
            assert_eq!(meaning(206, &fields), Meaning::NoRanges);
        }
        for tolerated in ["100-199/1000", "bytes: 100-199/1000"] {
            assert_eq!(
                ask(206, &[("content-range", tolerated)]).unwrap().range,
                asked()
            );
        }
        let two = [
            ("content-range", "bytes 100-199/1000"),
            ("content-range", "bytes 0-99/1000"),
        ];
        assert_eq!(ask(206, &two), Err(Refusal::NoContentRange));
        let multipart = [("content-type", "Multipart/ByteRanges ; boundary=\"x\"")];
        assert_eq!(ask(206, &multipart), Err(Refusal::Multipart));
    }

    #[test]
    fn an_open_request_ends_with_the_file() {
        let open = |value| {
            slice(
                &head(206, &[("content-range", value)]),
                asked(),
                true,
                &known(),
            )
        };
        let want = ByteRange::new(100, 1000);
        assert_eq!(open("bytes 100-999/1000").unwrap().range, want);
        assert_eq!(open("100-999/1000").unwrap().range, want);
        assert!(open("100-199/1000").is_err());
    }

    #[test]
    fn b12_b13_the_whole_file_instead_of_a_range() {
        let fields = [("content-length", "1000"), ("etag", "\"v1\"")];
        assert_eq!(ask(200, &fields), Err(Refusal::Whole));
        assert_eq!(meaning(200, &fields), Meaning::NoRanges);
        let from_zero = slice(&head(200, &fields), ByteRange::new(0, 10), false, &known());
        assert_eq!(
            from_zero,
            Ok(Slice {
                range: ByteRange::new(0, 1000),
                total: Some(1000),
                whole: true
            })
        );
        let contradictory = [
            ("content-length", "100"),
            ("content-range", "bytes 100-199/1000"),
        ];
        assert_eq!(ask(200, &contradictory), Err(Refusal::Whole));
        assert_eq!(
            ask(200, &[("content-encoding", "gzip"), ("etag", "\"other\"")]),
            Err(Refusal::Whole)
        );
    }

    #[test]
    fn b14_to_b16_no_such_range() {
        let other = [("content-range", "bytes */900")];
        assert_eq!(meaning(416, &other), Meaning::Changed);
        let same = [("content-range", "bytes */1000")];
        assert_eq!(meaning(416, &same), Meaning::Unclear);
        assert_eq!(meaning(416, &[]), Meaning::Unclear);
        assert_eq!(
            ask(416, &[("content-range", "bytes 0-9/10")]),
            Err(Refusal::Unsatisfiable {
                total: None,
                changed: false
            })
        );
        assert_eq!(
            ask(416, &same).unwrap_err().to_string(),
            "server has no byte of the range, its file is 1000 bytes long"
        );
    }

    #[test]
    fn b17_b18_conditions() {
        assert_eq!(meaning(412, &[]), Meaning::Unclear);
        assert_eq!(meaning(304, &[]), Meaning::Again);
        assert_eq!(meaning(204, &[]), Meaning::Never);
        assert_eq!(meaning(503, &[]), Meaning::Status(503));
    }

    #[test]
    fn b19_ranges_of_an_encoding() {
        let fields = [
            ("content-range", "bytes 100-199/1000"),
            ("content-encoding", "gzip"),
        ];
        assert_eq!(ask(206, &fields), Err(Refusal::Encoded("gzip".to_owned())));
        let identity = [
            ("content-range", "bytes 100-199/1000"),
            ("content-encoding", "identity"),
        ];
        assert!(ask(206, &identity).is_ok());
    }

    #[test]
    fn c01_to_c06_validators() {
        let with = |status, tag, date| {
            let fields = [
                ("content-range", "bytes 100-199/1000"),
                ("etag", tag),
                ("last-modified", date),
            ];
            let fields = if status == 206 {
                &fields[..]
            } else {
                &fields[1..]
            };
            ask(status, fields)
        };
        assert_eq!(with(206, "\"v2\"", MON), Err(Refusal::Twin));
        assert_eq!(with(206, "\"v2\"", "another date"), Err(Refusal::Changed));
        assert!(with(206, "\"v1\"", "another date").is_ok());
        assert!(with(206, "W/\"v1\"", MON).is_ok());
        assert_eq!(with(206, "W/\"v1\"", "another date"), Err(Refusal::Changed));
        assert!(with(206, "", "").is_ok());
        // a failed If-Range brings the whole new file
        assert_eq!(with(200, "\"v2\"", MON), Err(Refusal::Changed));
    }

    #[test]
    fn b22_large_offsets() {
        for start in [1u64 << 31, 1 << 32, 1 << 53, (1 << 62) - 1] {
            let asked = ByteRange::new(start, start + 1);
            let value = format!("bytes {start}-{start}/{}", start + 1);
            let answer = head(206, &[("content-range", &value)]);
            assert_eq!(
                slice(&answer, asked, false, &Entity::default())
                    .unwrap()
                    .range,
                asked
            );
        }
    }

    proptest! {
        /// Whatever a server says, an accepted body begins where it was asked to, or not much before, and belongs to the
        /// known file.
        #[test]
        fn an_accepted_slice_is_safe(
            status in prop_oneof![Just(206u16), Just(200), 100u16..600],
            first in 0u64..1100, last in 0u64..1100, total in prop_oneof![Just(1000u64), 0u64..1100],
            length in prop::option::of(0u64..1100), open in any::<bool>(), prefix in "bytes[ =:]{1,2}|",
        ) {
            let mut answer = head(status, &[("content-range", &format!("{prefix}{first}-{last}/{total}"))]);
            if let Some(length) = length {
                answer.headers.append("content-length", length.to_string());
            }
            if let Ok(slice) = slice(&answer, asked(), open, &known()) {
                prop_assert_eq!(status, 206);
                prop_assert_eq!(slice.range, ByteRange::new(first, last + 1));
                prop_assert!(first <= 100 && 100 - first <= MAX_OVERLAP && last >= 100);
                prop_assert_eq!(total, 1000);
                prop_assert!(length.is_none_or(|length| length >= slice.range.len()));
            }
        }
    }
}
