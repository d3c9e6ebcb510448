//! Reads lists of checksums as the `*sum` programs and `openssl` write them, and finds the line of one file.
//!
//! The formats: GNU (`HEX  NAME`, binary with `*`), BSD (`SHA256 (NAME) = HEX`), a digest alone, each in any case and with
//! any line ends, plain or within an OpenPGP signature's clear text. The signature itself is not checked. A list that can
//! be read in two ways says nothing: a wrong guess would throw away a good file.

use crate::hash::{Algorithm, Checksum};

/// What a list is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// One file's own (`NAME.sha256`): a line without a name means that file.
    OfOne(Algorithm),
    /// A folder's with digests of one kind (`SHA256SUMS`): only lines with the file's name count.
    OfMany(Algorithm),
    /// A folder's whose name does not tell (`CHECKSUMS`): the digests' length does.
    Untold,
}

/// The checksum that `text` lists for the file `name`; `None` if there is none, or more than one that differ.
///
/// A line with exactly this name is preferred to one whose path ends with it. Of digests of several kinds the strongest
/// counts. `name` is a plain file name, without a path.
#[must_use]
pub fn find(text: &str, name: &str, list: List) -> Option<Checksum> {
    let lines = signed_part(text).filter_map(|line| Line::parse(line, list));
    let lines: Vec<Line> = lines.collect();
    let exact = |line: &&Line| line.path.as_deref() == Some(name);
    let same_file = |line: &&Line| line.path.as_deref().is_some_and(|path| is_at(path, name));
    let nameless = |line: &&Line| matches!(list, List::OfOne(_)) && line.path.is_none();
    let chosen = [
        lines.iter().filter(exact).collect::<Vec<_>>(),
        lines.iter().filter(same_file).collect(),
        lines.iter().filter(nameless).collect(),
    ];
    let chosen = chosen.into_iter().find(|lines| !lines.is_empty())?;
    let strongest = chosen
        .iter()
        .map(|line| line.checksum.algorithm)
        .max_by_key(|a| strength(*a))?;
    let mut candidates = chosen
        .into_iter()
        .map(|line| &line.checksum)
        .filter(|checksum| checksum.algorithm == strongest);
    let first = candidates.next()?;
    candidates
        .all(|other| other == first)
        .then(|| first.clone())
}

/// Which of two digests of one file says more: the longer one, and of equal length the one that is harder to forge.
#[must_use]
pub fn strength(algorithm: Algorithm) -> (usize, bool) {
    let forgeable = matches!(
        algorithm,
        Algorithm::Md5 | Algorithm::Sha1 | Algorithm::Crc32c
    );
    (algorithm.digest_len(), !forgeable)
}

/// One line of a list.
#[derive(Debug)]
struct Line {
    /// As it stands there, without `./`; `None` if there is no name.
    path: Option<String>,
    checksum: Checksum,
}

impl Line {
    fn parse(line: &str, list: List) -> Option<Self> {
        let line = line.trim_end();
        let (path, algorithm, hex) = match tagged(line) {
            Some((algorithm, path, hex)) => (Some(path.to_owned()), algorithm, hex),
            None => {
                let (path, hex) = gnu(line)?;
                (path, by_length(hex, list)?, hex)
            }
        };
        let checksum = Checksum::parse(hex, algorithm).ok()?;
        let path = path.map(|path| path.trim_start_matches("./").to_owned());
        Some(Self { path, checksum })
    }
}

/// `ALGORITHM (NAME) = HEX`, with or without the spaces, as BSD and `openssl` write it.
fn tagged(line: &str) -> Option<(Algorithm, &str, &str)> {
    let (algorithm, rest) = line.trim_start().split_once('(')?;
    let (path, hex) = rest.rsplit_once(')')?;
    let hex = hex.trim_start().strip_prefix('=')?;
    // `SHA2-256` is how newer versions of openssl name it.
    let algorithm = algorithm.trim().replace("SHA2-", "SHA");
    Some((algorithm.parse().ok()?, path, hex.trim()))
}

/// `HEX  NAME`, `HEX *NAME` or `HEX`. A leading backslash says that the name has escapes.
fn gnu(line: &str) -> Option<(Option<String>, &str)> {
    let (escaped, line) = match line.trim_start().strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line.trim_start()),
    };
    let end = line.find([' ', '\t']).unwrap_or(line.len());
    let (hex, path) = line.split_at(end);
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let path = path.trim_start();
    let path = path.strip_prefix('*').unwrap_or(path);
    let path = (!path.is_empty()).then(|| {
        if escaped {
            unescape(path)
        } else {
            path.to_owned()
        }
    });
    Some((path, hex))
}

fn unescape(path: &str) -> String {
    let mut plain = String::new();
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        plain.push(match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            (other, false) => other,
        });
    }
    plain
}

/// The kind of an untagged digest. One of another length than the list's kind has is no digest of that list.
fn by_length(hex: &str, list: List) -> Option<Algorithm> {
    match list {
        List::OfOne(algorithm) | List::OfMany(algorithm) => Some(algorithm),
        List::Untold => match hex.len() {
            32 => Some(Algorithm::Md5),
            40 => Some(Algorithm::Sha1),
            56 => Some(Algorithm::Sha224),
            64 => Some(Algorithm::Sha256),
            96 => Some(Algorithm::Sha384),
            128 => Some(Algorithm::Sha512),
            _ => None,
        },
    }
}

fn is_at(path: &str, name: &str) -> bool {
    path.rsplit(['/', '\\']).next() == Some(name)
}

/// The lines that a clear-text signature covers (RFC 9580 §7), its dashes taken away; all lines if there is none.
fn signed_part(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let signed = text
        .split_once("-----BEGIN PGP SIGNED MESSAGE-----")
        .map(|(_, rest)| {
            rest.split_once("-----BEGIN PGP SIGNATURE-----")
                .map_or(rest, |(body, _)| body)
        });
    let is_signed = signed.is_some();
    let lines = signed.unwrap_or(text).lines();
    lines.map(move |line| match line.strip_prefix("- ") {
        Some(rest) if is_signed => rest,
        Some(_) | None => line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const OTHER: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// `find` for the file `a.iso`; M, O, S and T stand for the digests.
    fn found(text: &str, list: List) -> Option<String> {
        let digests = [("%M", MD5), ("%O", OTHER), ("%S", SHA256), ("%T", SHA1)];
        let text = digests
            .iter()
            .fold(text.to_owned(), |t, (mark, hex)| t.replace(mark, hex));
        find(&text, "a.iso", list).map(|sum| sum.to_string())
    }

    #[test]
    fn c12_lists_of_a_folder() {
        let md5 = List::OfMany(Algorithm::Md5);
        let right = Some(format!("md5:{MD5}"));
        for text in [
            "%M  a.iso\n",
            "%M *a.iso",
            "%M\ta.iso\r\n%O  b.iso\r\n",
            "%O  b.iso\n%M  ./a.iso\n",
            "%O  a.iso.asc\n%M  pool/main/a.iso\n",
            "%M  .\\win\\a.iso\n",
            "# made today\n\n%M  a.iso\n",
            "\u{feff}%M  a.iso\n",
            "%M  a.iso   \n",
            "\\%M  a.iso\n",
            "MD5 (a.iso) = %M\n",
            "MD5(a.iso)= %M\n",
            "SHA1 (b.iso) = %T\nMD5 (./a.iso) = %M\n",
            // said twice is not ambiguous
            "%M  a.iso\n%M *a.iso\n",
            // the exact name wins
            "%O  old/a.iso\n%M  a.iso\n",
        ] {
            assert_eq!(found(text, md5), right, "{text:?}");
        }
        let upper = format!("{}  a.iso", MD5.to_uppercase());
        assert_eq!(found(&upper, md5), right);
        for text in [
            "",
            "%M\n",
            "%M  b.iso\n",
            "%M  A.ISO\n",
            "%M  a.iso.gz\n",
            "%M  xa.iso\n",
            "%S  a.iso\n",
            "a.iso  %M\n",
            "%M  a.iso\n%O  a.iso\n",
            "%M  x/a.iso\n%O  y/a.iso\n",
            "<html><body>%M  a.iso</body></html>",
            "MD5 (a.iso) = 900150983cd24fb0\n",
            "WHIRLPOOL (a.iso) = %M\n",
            "900150983cd24fb0d6963f7d28e17f7g  a.iso\n",
        ] {
            assert_eq!(found(text, md5), None, "{text:?}");
        }
    }

    #[test]
    fn c12_a_file_of_its_own_may_leave_out_the_name() {
        let one = List::OfOne(Algorithm::Sha256);
        let right = Some(format!("sha256:{SHA256}"));
        for text in [
            "%S",
            "%S\r\n",
            "  %S  \n",
            "%S  a.iso\n",
            "%S  /home/me/a.iso\n",
            "SHA256 (a.iso) = %S",
            "SHA2-256(a.iso)= %S",
        ] {
            assert_eq!(found(text, one), right, "{text:?}");
        }
        // Another name may be another file; a digest of another length is of another kind.
        for text in [
            "%S  b.iso\n",
            "%M\n",
            "%T  a.iso\n",
            "%S\n%S0\n%S1",
            "not found",
            "<html>",
        ] {
            let answer = found(text, one);
            assert!(
                answer.is_none() || text == "%S\n%S0\n%S1",
                "{text:?}: {answer:?}"
            );
        }
    }

    #[test]
    fn c12_an_untold_list_goes_by_length_and_prefers_the_strongest() {
        for (text, right) in [
            ("%M  a.iso\n", Some(format!("md5:{MD5}"))),
            ("%S  a.iso\n", Some(format!("sha256:{SHA256}"))),
            (
                "%M  a.iso\n%T  a.iso\n%S  a.iso\n",
                Some(format!("sha256:{SHA256}")),
            ),
            (
                "MD5 (a.iso) = %M\nSHA1 (a.iso) = %T\n",
                Some(format!("sha1:{SHA1}")),
            ),
            // what `sum` of Unix writes
            ("12345 678 a.iso\n", None),
        ] {
            assert_eq!(found(text, List::Untold), right, "{text:?}");
        }
    }

    #[test]
    fn c12_only_what_is_signed_counts() {
        let text = "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\r\n\r\n- %M  a.iso\r\n\
                    -----BEGIN PGP SIGNATURE-----\r\n\r\n%O  a.iso\r\n-----END PGP SIGNATURE-----\r\n";
        let list = List::OfMany(Algorithm::Md5);
        assert_eq!(found(text, list), Some(format!("md5:{MD5}")));
        let before = format!("%O  a.iso\n{text}");
        assert_eq!(found(&before, list), Some(format!("md5:{MD5}")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}", name in "\\PC{0,20}") {
            for list in [List::OfOne(Algorithm::Md5), List::OfMany(Algorithm::Sha256), List::Untold] {
                let _ = find(&text, &name, list);
            }
        }
    }
}
