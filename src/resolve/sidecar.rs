//! Checksums in files beside the file: `NAME.sha256`, `SHA256SUMS` and their like.
//!
//! Each is another request, which a browser would make only if its user did; so they are asked for where they are known to
//! exist, or where the user says so, and with the headers of an address that is typed in.

use url::Url;

use super::checksum::Found;
use super::{Asked, Visit, arrive, disposition};
use crate::hash::Algorithm;
use crate::net::{Event, Kind, Transfer};
use crate::sums::{self, List};

/// The longest list of checksums that is read, bytes.
const LONGEST: usize = 8 << 20;

/// Where a server may keep a file's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// The file's URL with `.md5` or the like behind it.
    Suffix(&'static str, Algorithm),
    /// A list in the same folder.
    List(&'static str, List),
}

const SHA256: Sidecar = Sidecar::Suffix("sha256", Algorithm::Sha256);
const SHA512: Sidecar = Sidecar::Suffix("sha512", Algorithm::Sha512);
const SHA1: Sidecar = Sidecar::Suffix("sha1", Algorithm::Sha1);
const MD5: Sidecar = Sidecar::Suffix("md5", Algorithm::Md5);
const SHA256SUMS: Sidecar = Sidecar::List("SHA256SUMS", List::OfMany(Algorithm::Sha256));
const SHA512SUMS: Sidecar = Sidecar::List("SHA512SUMS", List::OfMany(Algorithm::Sha512));
const MD5SUMS: Sidecar = Sidecar::List("MD5SUMS", List::OfMany(Algorithm::Md5));
const NCBI: Sidecar = Sidecar::List("md5checksums.txt", List::OfMany(Algorithm::Md5));
const CHECKSUMS: Sidecar = Sidecar::List("CHECKSUMS", List::Untold);

/// All of them, the likeliest first.
const EVERY: &[Sidecar] = &[
    SHA256, SHA512, SHA1, MD5, SHA256SUMS, SHA512SUMS, MD5SUMS, NCBI, CHECKSUMS,
];

/// Hosts that keep them, by the end of the name.
const KNOWN: &[(&str, &[Sidecar])] = &[
    ("ftp.ncbi.nlm.nih.gov", &[MD5, NCBI]),
    ("ftp.ncbi.nih.gov", &[MD5, NCBI]),
    ("cdimage.debian.org", &[SHA256SUMS, SHA512SUMS]),
    ("cloud.debian.org", &[SHA512SUMS]),
    ("releases.ubuntu.com", &[SHA256SUMS]),
    ("cdimage.ubuntu.com", &[SHA256SUMS]),
    ("cloud-images.ubuntu.com", &[SHA256SUMS]),
    ("dl-cdn.alpinelinux.org", &[SHA256]),
    ("downloads.apache.org", &[SHA512]),
    ("archive.apache.org", &[SHA512]),
    ("repo.maven.apache.org", &[SHA1]),
    ("repo1.maven.org", &[SHA1]),
];

/// Where a checksum of the file at `url` is likely to be: what its host is known for, or everything if `everywhere`.
#[must_use]
pub fn sidecars(url: &Url, everywhere: bool) -> &'static [Sidecar] {
    let host = url.host_str().unwrap_or_default();
    let known = KNOWN.iter().find(|(name, _)| *name == host);
    match known {
        _ if everywhere => EVERY,
        Some((_, sidecars)) => sidecars,
        None => &[],
    }
}

/// The algorithms that a search there may turn up.
#[must_use]
pub fn algorithms(sidecars: &[Sidecar]) -> Vec<Algorithm> {
    let untold = [
        Algorithm::Sha512,
        Algorithm::Sha256,
        Algorithm::Sha1,
        Algorithm::Md5,
    ];
    let of = |sidecar: &Sidecar| match sidecar {
        Sidecar::Suffix(_, algorithm)
        | Sidecar::List(_, List::OfOne(algorithm) | List::OfMany(algorithm)) => vec![*algorithm],
        Sidecar::List(_, List::Untold) => untold.to_vec(),
    };
    let mut all: Vec<Algorithm> = sidecars.iter().flat_map(of).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Asks for one sidecar after the other until one has the file's checksum. What does not answer has none.
pub async fn search(visit: &Visit<'_>, sidecars: &[Sidecar]) -> Option<Found> {
    let file = &visit.source.url;
    let name = last_segment(file)?;
    for sidecar in sidecars {
        let (url, list) = place(file, *sidecar)?;
        let place = crate::Error::redact(url.as_str());
        if let Some(text) = read(visit, &url).await
            && let Some(checksum) = sums::find(&text, &name, list)
        {
            return Some(Found { checksum, place });
        }
    }
    None
}

/// A short text behind a URL; asked for anew without an encoding if it came in one.
async fn read(visit: &Visit<'_>, url: &Url) -> Option<String> {
    for kind in [Kind::Navigation, Kind::Slice] {
        let asked = Asked { kind, gap: None };
        let arrival = arrive(visit, url, &asked).await.ok()?;
        if !matches!(arrival.head.status, 200 | 206) {
            return None;
        }
        if arrival.head.headers.get("content-encoding").is_none() {
            return body(arrival.transfer).await;
        }
    }
    None
}

/// The URL of a sidecar of `file`, and how to read it. A query belongs to the file and is left out.
fn place(file: &Url, sidecar: Sidecar) -> Option<(Url, List)> {
    let mut url = file.clone();
    url.set_query(None);
    url.set_fragment(None);
    match sidecar {
        Sidecar::Suffix(suffix, algorithm) => {
            url.set_path(&format!("{}.{suffix}", file.path()));
            Some((url, List::OfOne(algorithm)))
        }
        Sidecar::List(name, list) => Some((url.join(name).ok()?, list)),
    }
}

fn last_segment(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    let name = disposition::text(&disposition::percent_decode(segment));
    (!name.is_empty()).then_some(name)
}

/// A body as text; `None` if it broke off, or is too long to be a list.
async fn body(mut transfer: Transfer) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        match transfer.next().await {
            Some(Event::Data(block)) if bytes.len() + block.bytes.len() <= LONGEST => {
                bytes.extend_from_slice(&block.bytes);
            }
            Some(Event::Head(_)) => {}
            Some(Event::End(Ok(()))) | None => return Some(disposition::text(&bytes)),
            Some(Event::Data(_) | Event::End(Err(_))) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_are_asked_for_where_they_are_likely() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let genome = url("https://ftp.ncbi.nlm.nih.gov/genomes/all/GCF%5F1/GCF_1.fna.gz?x=1#y");
        let known = sidecars(&genome, false);
        let places: Vec<_> = known
            .iter()
            .map(|s| place(&genome, *s).unwrap().0)
            .collect();
        assert_eq!(
            places.iter().map(Url::as_str).collect::<Vec<_>>(),
            [
                "https://ftp.ncbi.nlm.nih.gov/genomes/all/GCF%5F1/GCF_1.fna.gz.md5",
                "https://ftp.ncbi.nlm.nih.gov/genomes/all/GCF%5F1/md5checksums.txt",
            ]
        );
        assert_eq!(algorithms(known), [Algorithm::Md5]);
        assert_eq!(sidecars(&url("https://example.org/a"), false), []);
        assert_eq!(
            sidecars(&url("https://ftp.ncbi.nlm.nih.gov.evil.org/a"), false),
            []
        );
        assert_eq!(sidecars(&url("https://example.org/a"), true).len(), 9);
    }
}
